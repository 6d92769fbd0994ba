"""Where patients are taken: diverted, expected, seen on their way, received; and who they are.

Run: ``python -m pytest tests/integration/hospital``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2, units_pb2
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp, utc_now
from tests.support.hospital_silo import Metadata, refused, soon
from tests.support.hospital_trips import PHI, Ward, ward
from tests.support.trip_races import raced, winners
from tests.support.waiting import until_blocked

Code = grpc.StatusCode
pytestmark = pytest.mark.asyncio(loop_scope="module")


def divert(mercy: Ward, trip: pb.TransportRequest, to: str, **changes: Any) -> Any:
    request = pb.DivertTransportRequestRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=trip.id,
        destination_facility_id=to,
        request_id=str(uuid4()),
        **changes,
    )
    return mercy.silo.trips.DivertTransportRequest(request, metadata=mercy.staff)


def receive(mercy: Ward, trip: pb.TransportRequest, by: Metadata, **changes: Any) -> Any:
    request = pb.ConfirmPatientReceiptRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=trip.id,
        request_id=str(uuid4()),
        **changes,
    )
    return mercy.silo.trips.ConfirmPatientReceipt(request, metadata=by)


def inbound(at: Ward, **asked: Any) -> Any:
    request = pb.ListInboundTransportRequestsRequest(hospital_id=at.hospital_id, **asked)
    return at.silo.trips.ListInboundTransportRequests(request, metadata=at.staff)


def details(mercy: Ward, trip_id: str, by: Metadata) -> Any:
    request = pb.GetPatientDetailsRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id
    )
    return mercy.silo.trips.GetPatientDetails(request, metadata=by)


async def advanced(
    mercy: Ward, status: words.JobStatus.ValueType, **changes: Any
) -> pb.TransportRequest:
    trip = await mercy.accepted(**changes)
    await mercy.silo.hear(mercy.advance(trip, status))
    return await mercy.get(trip.id)


async def test_a_trip_leads_elsewhere_with_the_patient_aboard(mercy: Ward) -> None:
    trip = await advanced(mercy, words.JOB_STATUS_IN_TRANSIT)
    saint = await ward(mercy.silo.of_another_hospital())

    answer = await divert(mercy, trip, saint.destination, note="no bed", etag=trip.etag)

    diverted = await mercy.get(trip.id)
    assert answer.transport_request.etag == diverted.etag
    assert diverted.destination_facility_id == saint.destination
    assert diverted.destination_hospital_id == saint.hospital_id
    assert (diverted.status, diverted.destination_detail) == (words.TRIP_STATUS_IN_TRANSIT, "")
    assert diverted.material_version == trip.material_version + 1
    kind, version = mercy.silo.events(f"transport_requests/{trip.id}")[-1]
    assert (kind, str(version)) == ("TransportRequestUpdated", diverted.etag)
    history = await mercy.silo.trips.ListTripHistory(
        pb.ListTripHistoryRequest(hospital_id=mercy.hospital_id, transport_request_id=trip.id),
        metadata=mercy.staff,
    )
    assert history.trip_history[-1].notes == "no bed"
    stale = await refused(divert(mercy, trip, mercy.destination, etag=trip.etag))
    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")


async def test_a_patient_is_never_without_a_destination(mercy: Ward) -> None:
    trip = await mercy.accepted()
    for wrong in (mercy.destination, mercy.origin, str(uuid4())):
        told = await refused(divert(mercy, trip, wrong))
        assert (told.code, told.fields) == (Code.INVALID_ARGUMENT, ["destination_facility_id"])
    assert (await mercy.get(trip.id)).destination_facility_id == mercy.destination
    elsewhere = (await mercy.add_facility()).id
    for status, reason in (
        (words.JOB_STATUS_AT_DESTINATION, "UNIT_ARRIVED"),
        (words.JOB_STATUS_COMPLETED, "TRIP_ENDED"),
    ):
        await mercy.silo.hear(mercy.advance(trip, status))
        told = await refused(divert(mercy, trip, elsewhere))
        assert (told.code, told.reason) == (Code.FAILED_PRECONDITION, reason)


@pytest.mark.parametrize("first", ["diverted", "completed"])
async def test_a_diversion_and_the_end_of_a_trip_do_not_overlook_each_other(
    mercy: Ward, first: str
) -> None:
    trip = await advanced(mercy, words.JOB_STATUS_IN_TRANSIT)
    elsewhere = (await mercy.add_facility()).id
    completed = partial(mercy.silo.hear, mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    diverted = partial(divert, mercy, trip, elsewhere)
    racers = [diverted, completed] if first == "diverted" else [completed, diverted]

    outcomes = await raced(mercy, trip.id, racers)

    ended = await mercy.get(trip.id)
    kinds = [kind for kind, _ in mercy.silo.events(f"transport_requests/{trip.id}")]
    assert ended.status == words.TRIP_STATUS_COMPLETED
    if winners(outcomes) < len(racers):
        assert ended.destination_facility_id == mercy.destination
        assert "TripConflictDetected" not in kinds
    else:  # the crew had not heard of it: people have to look where the patient is
        assert ended.destination_facility_id == elsewhere
        assert kinds[-2:] == ["TripConflictDetected", "TransportRequestCompleted"]


async def test_a_hospital_sees_what_leads_to_it_and_no_patient(mercy: Ward) -> None:
    saint = await ward(mercy.silo.of_another_hospital())
    theirs = [await mercy.create(destination_facility_id=saint.origin) for _ in range(3)]
    await mercy.create()
    own = await saint.create()
    expected = [own.id, *(each.id for each in reversed(theirs))]

    seen: list[pb.TransportRequest] = []
    token = ""
    while not seen or token:
        page = await inbound(saint, page_size=2, page_token=token)
        seen, token = [*seen, *page.transport_requests], page.next_page_token

    assert [each.id for each in seen] == expected
    assert not any(phi in str(seen) for phi in PHI)
    assert seen[-1] == theirs[0]
    facility = pb.InboundTransportRequestFilter(destination_facility_id=saint.origin)
    assert len((await inbound(saint, filter=facility)).transport_requests) == 3
    over = pb.InboundTransportRequestFilter(statuses=[words.TRIP_STATUS_COMPLETED])
    assert not (await inbound(saint, filter=over)).transport_requests
    request = pb.ListInboundTransportRequestsRequest(hospital_id=saint.hospital_id)
    call = saint.silo.trips.ListInboundTransportRequests
    assert (await refused(call(request, metadata=mercy.staff))).code is Code.PERMISSION_DENIED


async def test_the_destination_confirms_receipt_once(mercy: Ward) -> None:
    saint = await ward(mercy.silo.of_another_hospital())
    trip = await mercy.accepted(destination_facility_id=saint.origin)
    early = await refused(receive(mercy, trip, saint.staff))
    assert (early.code, early.reason) == (Code.FAILED_PRECONDITION, "NOT_PICKED_UP")
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_AT_DESTINATION))
    assert (await refused(receive(mercy, trip, mercy.staff))).code is Code.NOT_FOUND

    racers = [partial(receive, mercy, trip, saint.staff) for _ in range(4)]
    outcomes = await raced(mercy, trip.id, racers)

    assert winners(outcomes) == 1
    kinds = [kind for kind, _ in mercy.silo.events(f"transport_requests/{trip.id}")]
    assert kinds.count("PatientReceiptConfirmed") == 1
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    ended = await mercy.get(trip.id)
    assert (ended.status, ended.HasField("receive_time")) == (words.TRIP_STATUS_COMPLETED, True)
    late = await refused(receive(mercy, trip, saint.staff))
    assert late.reason == "ALREADY_RECEIVED"


async def test_a_unit_is_seen_on_its_own_trip_alone(mercy: Ward) -> None:
    trip, unit_id = await mercy.accepted(), uuid4()
    job = mercy.job(trip)

    async def tracking() -> pb.TripTracking:
        request = pb.GetTripTrackingRequest(
            hospital_id=mercy.hospital_id, transport_request_id=trip.id
        )
        answer = await mercy.silo.trips.GetTripTracking(request, metadata=mercy.staff)
        return answer.trip_tracking

    def fix(unit: UUID, minutes: float) -> Message:
        return units_pb2.UnitLocationReported(
            job=job,
            unit_id=str(unit),
            location={"latitude": 40.5, "longitude": -78.4},
            fix_time=timestamp(soon(minutes=minutes)),
        )

    assert not (await tracking()).HasField("location")
    assigned = assignments_pb2.UnitAssigned(
        job=job, unit_id=str(unit_id), unit_number="M1", assign_time=timestamp(utc_now())
    )
    expected = assignments_pb2.TripEtaChanged(
        job=job, eta_pickup_time=timestamp(soon(minutes=9)), as_of_time=timestamp(utc_now())
    )
    await mercy.silo.hear(assigned, expected, fix(unit_id, -11))
    seen = await tracking()
    assert (seen.unit_number, seen.is_stale, seen.location.latitude) == ("M1", True, 40.5)
    assert (seen.HasField("eta_pickup_time"), seen.HasField("eta_destination_time")) == (
        True,
        False,
    )
    await mercy.silo.hear(fix(unit_id, -1))
    assert not (await tracking()).is_stale
    await mercy.silo.hear(fix(uuid4(), 0))  # of a unit that was swapped since
    assert not (await tracking()).HasField("location")
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    assert not (await mercy.get(trip.id)).HasField("eta_pickup_time")
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await tracking()
    assert told.value.code() is Code.FAILED_PRECONDITION


async def test_patient_details_are_for_those_who_carry_now_and_later_for_the_bill(
    mercy: Ward,
) -> None:
    trip = await mercy.accepted()
    dispatcher, rival, billing = (
        mercy.silo.user_of("ems", role, agency)
        for role, agency in (
            ("EMS_DISPATCHER", mercy.agency_id),
            ("EMS_DISPATCHER", uuid4()),
            ("EMS_BILLING", mercy.agency_id),
        )
    )
    for nobody in (rival, billing):
        assert (await refused(details(mercy, trip.id, nobody))).code is Code.NOT_FOUND
    coordinator = mercy.silo.user_of("center", "CENTER_COORDINATOR")
    assert (await refused(details(mercy, trip.id, coordinator))).code is Code.PERMISSION_DENIED

    seen = (await details(mercy, trip.id, dispatcher)).patient_details

    assert seen.patient_id.startswith(PHI[0])
    assert (seen.special_requirements, seen.origin_detail) == (PHI[1], PHI[2])
    query = "SELECT changes FROM audit_entry WHERE action = 'GetPatientDetails' AND entity_id = %s"
    [(changes,)] = mercy.silo.sql(query, trip.id)
    assert "patient_id" in changes["fields"]
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    bill = (await details(mercy, trip.id, billing)).patient_details
    assert (bool(bill.patient_id), bill.origin_detail) == (True, "")
    assert (await refused(details(mercy, trip.id, dispatcher))).code is Code.NOT_FOUND
    mercy.silo.sql(
        "UPDATE transport_request SET accepted_at = NULL, en_route_at = NULL, completed_at ="
        " now() - interval '91 days', arrived_pickup_at = NULL, arrived_destination_at = NULL,"
        " picked_up_at = now() - interval '92 days' WHERE id = %s",
        trip.id,
    )
    assert (await refused(details(mercy, trip.id, billing))).code is Code.NOT_FOUND


async def test_who_loses_the_job_while_looking_sees_no_patient(mercy: Ward) -> None:
    trip = await mercy.accepted()
    dispatcher = mercy.silo.user_of("ems", "EMS_DISPATCHER", mercy.agency_id)
    dropped = assignments_pb2.TripDropped(job=mercy.job(trip), reason="BREAKDOWN")

    async with mercy.silo.hearing(dropped):  # decided, and about to be committed
        looking = asyncio.ensure_future(details(mercy, trip.id, dispatcher))
        await until_blocked(mercy.silo.dsn, 1)

    assert (await refused(looking)).code is Code.NOT_FOUND
