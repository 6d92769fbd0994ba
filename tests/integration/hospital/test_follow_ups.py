"""Trips made after another one: the way back, the same once more; and many read at once.

Run: ``python -m pytest tests/integration/hospital``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp
from tests.support.hospital_silo import refused, soon
from tests.support.hospital_trips import PHI, Ward

Code = grpc.StatusCode


pytestmark = pytest.mark.asyncio(loop_scope="module")


def times(**changes: Any) -> dict[str, Any]:
    known = {
        "ready_time": timestamp(soon(hours=4)),
        "latest_pickup_time": timestamp(soon(hours=6)),
        "request_id": str(uuid4()),
    }
    return known | changes


def back(mercy: Ward, trip_id: str, **changes: Any) -> Any:
    request = pb.CreateReturnTransportRequestRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id, **times(**changes)
    )
    return mercy.silo.trips.CreateReturnTransportRequest(request, metadata=mercy.staff)


def again(mercy: Ward, trip_id: str, **changes: Any) -> Any:
    request = pb.DuplicateTransportRequestRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id, **times(**changes)
    )
    return mercy.silo.trips.DuplicateTransportRequest(request, metadata=mercy.staff)


async def test_a_way_back_has_the_same_patient_and_needs_and_begins_anew(mercy: Ward) -> None:
    there = await mercy.accepted(required_capabilities=[words.CAPABILITY_VENTILATOR])
    await mercy.silo.hear(mercy.advance(there, words.JOB_STATUS_IN_TRANSIT))

    trip = (await back(mercy, there.id)).transport_request

    seen, known = await mercy.get(trip.id), await mercy.get(there.id)
    assert (seen.leg, seen.parent_transport_request_id) == (words.TRIP_LEG_RETURN, there.id)
    assert (seen.origin_facility_id, seen.destination_facility_id) == (
        mercy.destination,
        mercy.origin,
    )
    assert (seen.origin_detail, seen.destination_detail) == (PHI[3], PHI[2])
    for name in ("patient_id", "special_requirements", "transport_level", "age_band", "priority"):
        assert getattr(seen, name) == getattr(known, name), name
    assert seen.required_capabilities == known.required_capabilities
    assert (seen.status, seen.award_id, seen.assigned_agency_id) == (
        words.TRIP_STATUS_PENDING,
        "",
        "",
    )
    assert not seen.HasField("pickup_time")
    assert mercy.silo.events(f"transport_requests/{trip.id}") == [("TransportRequestCreated", 1)]
    assert mercy.history(trip.id) == ["PENDING"]


async def test_a_patient_comes_back_once_at_a_time(mercy: Ward) -> None:
    there = await mercy.create()
    trip = (await back(mercy, there.id)).transport_request
    second = await refused(back(mercy, there.id))
    assert (second.code, second.reason) == (Code.ALREADY_EXISTS, "TRIP_ALREADY_LIVE")
    assert second.facts["transport_request_id"] == trip.id
    of_return = await refused(back(mercy, trip.id))
    assert (of_return.code, of_return.reason) == (Code.FAILED_PRECONDITION, "NOT_OUTBOUND")


async def test_nobody_comes_back_from_a_way_that_was_not_made(mercy: Ward) -> None:
    there = await mercy.create()
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(there), metadata=mercy.staff)
    ended = await refused(back(mercy, there.id))
    assert (ended.code, ended.reason) == (Code.FAILED_PRECONDITION, "TRIP_ENDED")
    assert ended.facts["state"] == "CANCELLED"
    past = await refused(again(mercy, there.id, latest_pickup_time=timestamp(soon(hours=-1))))
    assert (past.code, past.fields) == (Code.INVALID_ARGUMENT, ["latest_pickup_time"])


async def test_a_way_back_is_changed_at_its_far_end(mercy: Ward) -> None:
    there = await mercy.create()
    trip = (await back(mercy, there.id)).transport_request
    elsewhere = (await mercy.add_facility()).id

    request = pb.UpdateTransportRequestRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=trip.id,
        transport_request=pb.TransportRequest(origin_facility_id=elsewhere),
        update_mask=FieldMask(paths=["origin_facility_id"]),
        etag=trip.etag,
        request_id=str(uuid4()),
    )
    moved = await mercy.silo.trips.UpdateTransportRequest(request, metadata=mercy.staff)

    assert moved.transport_request.origin_facility_id == elsewhere
    assert moved.transport_request.material_version == 2


async def test_a_trip_is_asked_for_once_more_whatever_became_of_it(mercy: Ward) -> None:
    first = await mercy.create(priority=words.PRIORITY_LOW)
    live = await refused(again(mercy, first.id))
    assert live.reason == "TRIP_ALREADY_LIVE"
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(first), metadata=mercy.staff)

    trip = (await again(mercy, first.id, priority=words.PRIORITY_URGENT)).transport_request

    seen, known = await mercy.get(trip.id), await mercy.get(first.id)
    assert (seen.patient_id, seen.origin_detail) == (known.patient_id, PHI[2])
    assert (seen.leg, seen.priority) == (words.TRIP_LEG_OUTBOUND, words.PRIORITY_URGENT)
    assert seen.ready_time != known.ready_time
    assert (seen.cancellation_reason, seen.cancellation_note) == (0, "")


async def test_another_patient_takes_over_the_needs_and_nothing_personal(mercy: Ward) -> None:
    first = await mercy.create()
    assert (await refused(again(mercy, first.id, patient_id=" "))).fields == ["patient_id"]

    trip = (await again(mercy, first.id, patient_id="somebody-else")).transport_request

    seen = await mercy.get(trip.id)
    assert seen.patient_id == "somebody-else"
    assert (seen.special_requirements, seen.origin_detail, seen.destination_detail) == ("", "", "")
    assert seen.transport_level == first.transport_level


async def test_a_repeat_asks_for_one_trip(mercy: Ward) -> None:
    there, fixed = await mercy.create(), times()
    one, two = await back(mercy, there.id, **fixed), await back(mercy, there.id, **fixed)
    assert one == two
    count = "SELECT count(*) FROM transport_request WHERE hospital_id = %s"
    assert mercy.silo.sql(count, mercy.hospital_id) == [(2,)]


async def test_another_hospitals_trip_is_not_followed_up(mercy: Ward) -> None:
    stranger = await mercy.silo.login(hospital_id=uuid4())
    there = await mercy.create()
    foreign = pb.CreateReturnTransportRequestRequest(
        hospital_id=mercy.hospital_id, transport_request_id=there.id, **times()
    )
    told = await refused(mercy.silo.trips.CreateReturnTransportRequest(foreign, metadata=stranger))
    assert told.code is Code.PERMISSION_DENIED
    assert (await refused(back(mercy, str(uuid4())))).code is Code.NOT_FOUND


async def test_many_trips_are_read_at_once_or_none(mercy: Ward) -> None:
    trips = [await mercy.create() for _ in range(3)]
    wanted = [each.id for each in reversed(trips)]

    def batch(ids: list[str]) -> Any:
        request = pb.BatchGetTransportRequestsRequest(
            hospital_id=mercy.hospital_id, transport_request_ids=ids
        )
        return mercy.silo.trips.BatchGetTransportRequests(request, metadata=mercy.staff)

    found = list((await batch(wanted)).transport_requests)

    assert found == trips[::-1]
    assert not any(phi in str(found) for phi in PHI)
    absent = str(uuid4())
    told = await refused(batch([*wanted, absent]))
    assert (told.code, absent in str(told.facts)) == (Code.NOT_FOUND, True)
    for wrong in ([], [wanted[0], wanted[0]], [str(uuid4()) for _ in range(501)]):
        assert (await refused(batch(wrong))).code is Code.INVALID_ARGUMENT
