"""Lists of trips and of their steps: filters, pages that meet, and nobody else's rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp
from tests.support.hospital_silo import refused, soon
from tests.support.hospital_trips import Ward

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def listed(mercy: Ward, **asked: Any) -> list[str]:
    return [id async for ids in pages(mercy, **asked) for id in ids]


async def pages(mercy: Ward, **asked: Any) -> AsyncIterator[list[str]]:
    request = pb.ListTransportRequestsRequest(hospital_id=mercy.hospital_id, **asked)
    while True:
        answer = await mercy.silo.trips.ListTransportRequests(request, metadata=mercy.staff)
        yield [each.id for each in answer.transport_requests]
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


async def test_pages_meet_the_newest_first(mercy: Ward) -> None:
    made = [(await mercy.create()).id for _ in range(5)]
    assert await listed(mercy, page_size=2) == made[::-1]
    assert await listed(mercy, page_size=5000) == made[::-1]


async def test_pages_neither_skip_nor_repeat_while_trips_are_asked_for(mercy: Ward) -> None:
    made = [(await mercy.create()).id for _ in range(5)]
    seen = []
    async for ids in pages(mercy, page_size=2):
        seen += ids
        await mercy.create()
    assert seen == made[::-1]


async def test_filters_are_or_inside_and_across(mercy: Ward) -> None:
    elsewhere = (await mercy.add_facility()).id
    taken, plain, other = (
        await mercy.awarded(),
        await mercy.create(),
        await mercy.create(origin_facility_id=elsewhere),
    )
    both = [words.TRIP_STATUS_PENDING, words.TRIP_STATUS_AWARDED]
    assert await listed(mercy, filter={"statuses": both[:1]}) == [other.id, plain.id]
    assert await listed(mercy, filter={"statuses": both}) == [other.id, plain.id, taken.id]
    narrowed = {"statuses": both[:1], "origin_facility_id": elsewhere}
    assert await listed(mercy, filter=narrowed) == [other.id]
    agency = {"assigned_agency_id": taken.assigned_agency_id}
    assert await listed(mercy, filter=agency) == [taken.id]
    asked = {"request_time": {"start_time": timestamp(soon(minutes=1))}}
    assert await listed(mercy, filter=asked) == []
    asked = {"request_time": {"end_time": timestamp(soon(minutes=1))}}
    assert len(await listed(mercy, filter=asked)) == 3


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"filter": {"statuses": [0]}}, "filter.statuses[0]"),
        ({"filter": {"statuses": [99]}}, "filter.statuses[0]"),
        ({"filter": {"origin_facility_id": "x"}}, "filter.origin_facility_id"),
        (
            {"filter": {"request_time": {"start_time": {"seconds": 253402300800}}}},
            "filter.request_time.start_time",
        ),
        (
            {
                "filter": {
                    "request_time": {
                        "start_time": {"seconds": 2 * 10**9},
                        "end_time": {"seconds": 10**9},
                    }
                }
            },
            "filter.request_time",
        ),
    ],
)
async def test_bad_filters_are_named(mercy: Ward, asked: dict[str, Any], field: str) -> None:
    request = pb.ListTransportRequestsRequest(hospital_id=mercy.hospital_id, **asked)
    told = await refused(mercy.silo.trips.ListTransportRequests(request, metadata=mercy.staff))
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.fields == [field]


async def test_a_page_token_serves_its_own_caller_and_query(mercy: Ward) -> None:
    for _ in range(2):
        await mercy.create()
    request = pb.ListTransportRequestsRequest(hospital_id=mercy.hospital_id, page_size=1)
    answer = await mercy.silo.trips.ListTransportRequests(request, metadata=mercy.staff)
    request.page_token = answer.next_page_token
    foreign = await refused(mercy.silo.trips.ListTransportRequests(request, metadata=mercy.admin))
    request.filter.statuses.append(words.TRIP_STATUS_PENDING)
    other = await refused(mercy.silo.trips.ListTransportRequests(request, metadata=mercy.staff))
    assert foreign.reason == other.reason == "INVALID_PAGE_TOKEN"


async def test_history_tells_who_and_when_a_page_at_a_time(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_AT_PICKUP))
    request = pb.ListTripHistoryRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip.id, page_size=3
    )
    first = await mercy.silo.trips.ListTripHistory(request, metadata=mercy.staff)
    request.page_token = first.next_page_token
    rest = await mercy.silo.trips.ListTripHistory(request, metadata=mercy.staff)
    steps = [*first.trip_history, *rest.trip_history]
    assert [each.sequence for each in steps] == [1, 2, 3, 4, 5]
    kinds = [words.ActorKind.Name(each.actor_kind) for each in steps]
    assert kinds == [
        "ACTOR_KIND_HOSPITAL_USER",
        "ACTOR_KIND_HOSPITAL_USER",
        "ACTOR_KIND_EMS_USER",
        "ACTOR_KIND_SYSTEM",  # inferred: the crew reported the step after it
        "ACTOR_KIND_EMS_USER",
    ]
    request.transport_request_id, request.page_token = str(uuid4()), ""
    told = await refused(mercy.silo.trips.ListTripHistory(request, metadata=mercy.staff))
    assert told.code is grpc.StatusCode.NOT_FOUND


async def test_an_update_sets_what_the_mask_names(mercy: Ward) -> None:
    trip, place = await mercy.create(), (await mercy.add_facility()).id
    request = pb.UpdateTransportRequestRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=trip.id,
        transport_request=pb.TransportRequest(
            destination_facility_id=place, special_requirements="", priority=words.PRIORITY_LOW
        ),
        update_mask=FieldMask(paths=["destination_facility_id", "special_requirements"]),
        etag=trip.etag,
        request_id=str(uuid4()),
    )
    await mercy.silo.trips.UpdateTransportRequest(request, metadata=mercy.staff)
    changed = await mercy.get(trip.id)
    assert (changed.destination_facility_id, changed.special_requirements) == (place, "")
    assert (changed.priority, changed.material_version) == (words.PRIORITY_HIGH, 2)
    assert changed.patient_id
    assert mercy.silo.events(f"transport_requests/{trip.id}")[-1] == ("TransportRequestUpdated", 2)
    request.request_id = str(uuid4())
    told = await refused(mercy.silo.trips.UpdateTransportRequest(request, metadata=mercy.staff))
    assert told.reason == "ETAG_MISMATCH"


async def test_an_update_does_not_make_a_second_live_trip(mercy: Ward) -> None:
    first, second = await mercy.create(patient_id="p-1"), await mercy.create(patient_id="p-2")
    request = pb.UpdateTransportRequestRequest(
        hospital_id=mercy.hospital_id,
        transport_request_id=second.id,
        transport_request=pb.TransportRequest(patient_id="p-1"),
        update_mask=FieldMask(paths=["patient_id"]),
        etag=second.etag,
        request_id=str(uuid4()),
    )
    told = await refused(mercy.silo.trips.UpdateTransportRequest(request, metadata=mercy.staff))
    assert (told.reason, told.facts["transport_request_id"]) == ("TRIP_ALREADY_LIVE", first.id)
