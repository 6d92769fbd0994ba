"""What identifies the patient: seen by whom it concerns, each time on the record, else nowhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2
from medport.hospital.v1 import transport_requests_pb2 as pb
from structlog.testing import capture_logs

from chassis.clock import timestamp, utc_now
from tests.support.hospital_silo import Metadata, refused
from tests.support.hospital_trips import PHI, Ward

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_FOUND = grpc.StatusCode.NOT_FOUND


def get(mercy: Ward, trip_id: str, metadata: Metadata) -> Any:
    request = pb.GetTransportRequestRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id
    )
    return mercy.silo.trips.GetTransportRequest(request, metadata=metadata)


def dispatcher(mercy: Ward, agency_id: UUID | None = None, role: str = "DISPATCHER") -> Metadata:
    return mercy.silo.user_of("ems", f"EMS_{role}", agency_id or mercy.agency_id)


async def test_each_read_of_a_patient_is_audited_and_nothing_of_it_leaves(mercy: Ward) -> None:
    trip = await mercy.create()
    await get(mercy, trip.id, mercy.staff)
    reads = mercy.silo.sql("SELECT changes FROM audit_entry WHERE action = 'GetTransportRequest'")
    assert "patient_id" in reads[0][0]["fields"]
    kinds = [kind for kind, _ in mercy.silo.events("audit_entries/%")]
    assert len(kinds) == mercy.silo.sql("SELECT count(*) FROM audit_entry")[0][0]


async def test_lists_and_answers_to_commands_do_not_name_the_patient(mercy: Ward) -> None:
    trip = await mercy.create()
    listed = await mercy.silo.trips.ListTransportRequests(
        pb.ListTransportRequestsRequest(hospital_id=mercy.hospital_id), metadata=mercy.staff
    )
    assert trip == listed.transport_requests[0]
    assert not any(phi in str(trip) for phi in PHI)


async def test_the_agency_sees_the_patient_while_the_trip_is_its_own(mercy: Ward) -> None:
    trip = await mercy.create()
    assert (await refused(get(mercy, trip.id, dispatcher(mercy)))).code is NOT_FOUND
    taken = await mercy.accepted()
    seen = (await get(mercy, taken.id, dispatcher(mercy))).transport_request
    assert seen.patient_id.startswith(PHI[0])
    assert seen.origin_detail == PHI[2]
    for other in (dispatcher(mercy, uuid4()), dispatcher(mercy, role="BILLING")):
        assert (await refused(get(mercy, taken.id, other))).code is NOT_FOUND
    dropped = assignments_pb2.TripDropped(job=mercy.job(taken), reason="BREAKDOWN")
    await mercy.silo.hear(dropped)
    assert (await refused(get(mercy, taken.id, dispatcher(mercy)))).code is NOT_FOUND


async def test_a_crew_sees_the_patient_of_its_own_unit_alone(mercy: Ward) -> None:
    trip, unit_id = await mercy.accepted(), uuid4()

    def crew(unit: UUID | None) -> Metadata:
        return mercy.silo.user_of("ems", "EMS_CREW", mercy.agency_id, unit_id=unit)

    assert (await refused(get(mercy, trip.id, crew(unit_id)))).code is NOT_FOUND
    assigned = assignments_pb2.UnitAssigned(
        job=mercy.job(trip),
        unit_id=str(unit_id),
        unit_number="M1",
        assign_time=timestamp(utc_now()),
    )
    await mercy.silo.hear(assigned)
    seen = (await get(mercy, trip.id, crew(unit_id))).transport_request
    assert seen.patient_id.startswith(PHI[0])
    for other in (crew(uuid4()), crew(None)):
        assert (await refused(get(mercy, trip.id, other))).code is NOT_FOUND


async def test_after_completion_billing_alone_sees_who_it_was(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    billing = (await get(mercy, trip.id, dispatcher(mercy, role="BILLING"))).transport_request
    assert (bool(billing.patient_id), billing.origin_detail) == (True, "")
    crew = (await get(mercy, trip.id, dispatcher(mercy))).transport_request
    assert (crew.status, crew.patient_id) == (words.TRIP_STATUS_COMPLETED, "")


async def test_the_center_sees_the_trip_and_not_the_patient(mercy: Ward) -> None:
    trip = await mercy.create()
    coordinator = mercy.silo.user_of("center", "CENTER_COORDINATOR")
    seen = (await get(mercy, trip.id, coordinator)).transport_request
    assert (seen.id, seen.patient_id, seen.special_requirements) == (trip.id, "", "")


async def test_a_coordinator_cancels_only_with_the_permission_to_override(mercy: Ward) -> None:
    trip = await mercy.create()
    plain = mercy.silo.user_of("center", "CENTER_COORDINATOR")
    told = await refused(
        mercy.silo.trips.CancelTransportRequest(mercy.cancellation(trip), metadata=plain)
    )
    assert told.code is grpc.StatusCode.PERMISSION_DENIED
    may = mercy.silo.user_of("center", "CENTER_COORDINATOR", None, "TRIP_OVERRIDE")
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(trip), metadata=may)
    kinds = mercy.silo.sql(
        "SELECT actor_kind FROM audit_entry"
        " WHERE action = 'CancelTransportRequest' AND outcome = 'ALLOWED'"
    )
    assert kinds == [("CENTER_USER",)]


async def test_no_canary_is_found_where_it_does_not_belong(mercy: Ward) -> None:
    with capture_logs() as lines:
        trip = await mercy.accepted()
        await get(mercy, trip.id, mercy.staff)
        cancellation = mercy.cancellation(trip)
        await mercy.silo.trips.CancelTransportRequest(cancellation, metadata=mercy.staff)
    assert {line["code"] for line in lines if line["event"] == "rpc"} == {"OK"}
    assert [phi for phi in PHI if phi in str(lines)] == []
    for table in ("outbox", "event_log", "audit_entry", "idempotency_key", "trip_history"):
        for (row,) in mercy.silo.sql(f"SELECT {table}::text FROM {table}"):  # noqa: S608 - ours
            for phi in PHI:
                assert phi not in row
                assert phi.encode().hex() not in row
