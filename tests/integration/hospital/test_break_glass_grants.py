"""Patients seen in an emergency: with a reason, for a while, and never in silence; and forgotten.

Run: ``python -m pytest tests/integration/hospital``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import break_glass_grants_pb2 as pb
from medport.hospital.v1 import break_glass_grants_pb2_grpc as rpc
from medport.hospital.v1 import transport_requests_pb2 as trips_pb

from chassis.clock import utc_now
from chassis.sql import written
from hospital_svc.timers import patients
from tests.support.hospital_silo import Metadata, refused
from tests.support.hospital_trips import PHI, Ward
from tests.support.waiting import until_blocked

Code = grpc.StatusCode
REVOKE = written(
    "UPDATE break_glass_grant SET revoked_at = now(), revoked_by = %(by)s"
    " WHERE hospital_id = %(hospital_id)s AND id = %(id)s"
)
REASON = "The crew cannot reach the ward by phone."
pytestmark = pytest.mark.asyncio(loop_scope="module")


def desk(mercy: Ward) -> Any:
    return rpc.BreakGlassServiceStub(mercy.silo.channel)


def coordinator(mercy: Ward, *permissions: str) -> Metadata:
    return mercy.silo.user_of("center", "CENTER_COORDINATOR", None, *permissions)


def grant(mercy: Ward, trip_id: str, by: Metadata, **changes: Any) -> Any:
    known: dict[str, Any] = {"reason": REASON, "request_id": str(uuid4())}
    request = pb.GrantBreakGlassRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id, **(known | changes)
    )
    return desk(mercy).GrantBreakGlass(request, metadata=by)


def revoke(mercy: Ward, granted: pb.BreakGlassGrant, by: Metadata) -> Any:
    request = pb.RevokeBreakGlassRequest(
        hospital_id=mercy.hospital_id,
        break_glass_grant_id=granted.id,
        etag=granted.etag,
        request_id=str(uuid4()),
    )
    return desk(mercy).RevokeBreakGlass(request, metadata=by)


def details(mercy: Ward, trip_id: str, by: Metadata) -> Any:
    request = trips_pb.GetPatientDetailsRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id
    )
    return mercy.silo.trips.GetPatientDetails(request, metadata=by)


async def test_a_patient_is_seen_by_a_grant_and_the_hospital_is_told(mercy: Ward) -> None:
    trip, other = await mercy.create(), await mercy.create()
    may, plain = coordinator(mercy, "BREAK_GLASS"), coordinator(mercy)
    needed = await refused(details(mercy, trip.id, may))
    assert (needed.code, needed.reason) == (Code.FAILED_PRECONDITION, "BREAK_GLASS_NEEDED")
    assert (await refused(grant(mercy, trip.id, plain))).code is Code.PERMISSION_DENIED
    assert (await refused(grant(mercy, str(uuid4()), may))).code is Code.NOT_FOUND

    granted = (await grant(mercy, trip.id, may)).break_glass_grant

    seen = (await details(mercy, trip.id, may)).patient_details
    assert (seen.patient_id.startswith(PHI[0]), seen.origin_detail) == (True, PHI[2])
    lasting = granted.expire_time.ToDatetime() - granted.create_time.ToDatetime()
    assert lasting == timedelta(minutes=60)
    elsewhere = await refused(details(mercy, other.id, may))
    assert elsewhere.reason == "BREAK_GLASS_NEEDED"
    stranger = coordinator(mercy, "BREAK_GLASS")
    assert (await refused(details(mercy, trip.id, stranger))).reason == "BREAK_GLASS_NEEDED"
    query = "SELECT changes FROM audit_entry WHERE action = 'GetPatientDetails' AND entity_id = %s"
    [(changes,)] = mercy.silo.sql(query, trip.id)
    assert changes["break_glass_grant_id"] == granted.id
    query = """
    SELECT DISTINCT u.role, n.template_name, n.variables->>'trip_number' FROM notification n
      JOIN hospital_user u ON u.id = n.recipient_user_id WHERE n.hospital_id = %s
    """
    told = mercy.silo.sql(query, mercy.hospital_id)
    assert told == [("ADMIN", "break_glass_granted", trip.trip_number)]
    for table in ("outbox", "event_log", "audit_entry", "idempotency_key", "notification"):
        for (row,) in mercy.silo.sql(f"SELECT {table}::text FROM {table}"):  # noqa: S608 - ours
            for told_by_nobody in (*PHI, REASON):
                assert told_by_nobody not in row
                assert told_by_nobody.encode().hex() not in row


async def test_a_grant_is_explained_and_short(mercy: Ward) -> None:
    trip = await mercy.create()
    may = coordinator(mercy, "BREAK_GLASS")
    for wrong in (
        {"reason": "because"},
        {"reason": "because" + " " * 40},
        {"grant_duration": Duration(seconds=3601)},
        {"grant_duration": Duration()},
    ):
        assert (await refused(grant(mercy, trip.id, may, **wrong))).code is Code.INVALID_ARGUMENT
    granted = (
        await grant(mercy, trip.id, may, grant_duration=Duration(seconds=1))
    ).break_glass_grant
    lasting = granted.expire_time.ToDatetime() - granted.create_time.ToDatetime()
    assert lasting == timedelta(seconds=1)
    mercy.silo.sql("UPDATE break_glass_grant SET expires_at = now() WHERE id = %s", granted.id)
    assert (await refused(details(mercy, trip.id, may))).reason == "BREAK_GLASS_NEEDED"


async def test_the_hospital_ends_a_grant_at_once(mercy: Ward) -> None:
    trip = await mercy.create()
    may = coordinator(mercy, "BREAK_GLASS")
    granted = (await grant(mercy, trip.id, may)).break_glass_grant
    assert (await refused(revoke(mercy, granted, mercy.staff))).code is Code.PERMISSION_DENIED

    revoked = (await revoke(mercy, granted, mercy.admin)).break_glass_grant

    assert revoked.HasField("revoke_time")
    assert revoked.revoked_by
    assert (await refused(details(mercy, trip.id, may))).reason == "BREAK_GLASS_NEEDED"
    stale = await refused(revoke(mercy, granted, mercy.admin))
    assert stale.code is Code.ABORTED
    again = (await revoke(mercy, revoked, may)).break_glass_grant
    assert again == revoked
    request = pb.ListBreakGlassGrantsRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip.id, page_size=1
    )
    listed = await desk(mercy).ListBreakGlassGrants(request, metadata=mercy.admin)
    [shown] = listed.break_glass_grants
    assert (shown.id, shown.reason) == (granted.id, REASON)
    denied = desk(mercy).ListBreakGlassGrants(request, metadata=mercy.staff)
    assert (await refused(denied)).code is Code.PERMISSION_DENIED


async def test_who_looks_while_a_grant_ends_sees_nothing(mercy: Ward) -> None:
    trip = await mercy.create()
    may = coordinator(mercy, "BREAK_GLASS")
    granted = (await grant(mercy, trip.id, may)).break_glass_grant

    async with mercy.silo.database.begin(mercy.silo.hospital_id) as uow:
        await uow.execute(REVOKE, hospital_id=mercy.silo.hospital_id, id=granted.id, by=uuid4())
        looking = asyncio.ensure_future(details(mercy, trip.id, may))
        await until_blocked(mercy.silo.dsn, 1)

    assert (await refused(looking)).reason == "BREAK_GLASS_NEEDED"


async def test_a_patient_is_forgotten_a_year_after_the_trip(mercy: Ward) -> None:
    live = await mercy.create()
    ended = await mercy.accepted()
    await mercy.silo.hear(mercy.advance(ended, words.JOB_STATUS_COMPLETED))
    called_off = await mercy.create()
    await mercy.silo.trips.CancelTransportRequest(
        mercy.cancellation(called_off), metadata=mercy.staff
    )
    before = await mercy.get(ended.id)

    async def sweep(days: float) -> int:
        return await patients.sweep(mercy.silo.database, lambda: utc_now() + timedelta(days=days))

    await sweep(364)
    assert (await mercy.get(ended.id)).patient_id
    await sweep(366)

    forgotten = await mercy.get(ended.id)
    assert (forgotten.patient_id, forgotten.HasField("patient_purge_time")) == ("", True)
    assert (forgotten.special_requirements, forgotten.origin_detail) == ("", "")
    assert forgotten.etag == before.etag
    assert (await mercy.get(called_off.id)).cancellation_note == ""
    assert (await mercy.get(live.id)).patient_id
    assert await sweep(366) == 0
    back = trips_pb.CreateReturnTransportRequestRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=ended.id,
        ready_time=live.ready_time,
        latest_pickup_time=live.latest_pickup_time,
        request_id=str(uuid4()),
    )
    call = mercy.silo.trips.CreateReturnTransportRequest(back, metadata=mercy.staff)
    assert (await refused(call)).reason == "PATIENT_PURGED"
