"""The lists of trip overviews: which trips, page by page.

Proves: pages neither skip nor repeat; a page's token is this list's alone; each caller's list is
narrowed by its own filter; each job of a trip says what is due of it.
Run: ``python -m pytest tests/integration/router/test_trip_overview_lists.py``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any

import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.router.v1 import trip_overviews_pb2 as pb

from tests.support.hospital_silo import refused
from tests.support.joined_silos import Joined, Metadata, carried, missing, tell_center, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_pages_neither_skip_nor_repeat(silos: Joined) -> None:
    at = await carried(silos)
    made = {at.trip.id} | {(await at.ward.create()).id for _ in range(4)}
    await tell_center(silos, at.trip, at.ward)
    nurse = await silos.tokens("hospital", at.ward.staff)
    request = pb.ListTripOverviewsRequest(organization_id=at.ward.hospital_id, page_size=2)
    found: list[pb.TripOverview] = []
    while not found or request.page_token:
        answer = await silos.overviews.ListTripOverviews(request, metadata=nurse)
        assert missing(answer) == {}
        found += answer.trip_overviews
        request.page_token = answer.next_page_token
        await at.ward.create()  # newer than every page to come
    ids = [each.transport_request_id for each in found]
    assert len(ids) == len(set(ids))
    assert made <= set(ids)  # and those of the tests before
    timed = {each.transport_request_id: len(each.sla_timers) for each in found}
    assert timed[at.trip.id] == 3

    dispatcher = await silos.tokens("ems", at.run.agency.dispatcher)
    request = pb.ListTripOverviewsRequest(organization_id=str(at.run.agency.id))
    answer = await silos.overviews.ListTripOverviews(request, metadata=dispatcher)
    [own] = answer.trip_overviews
    assert told(own) == {"assignment", "sla_timers"}


async def test_a_pages_token_is_this_lists_alone(silos: Joined) -> None:
    at = await carried(silos)
    await at.ward.create()
    nurse = await silos.tokens("hospital", at.ward.staff)
    joint = pb.ListTripOverviewsRequest(organization_id=at.ward.hospital_id, page_size=1)
    plain = trips.ListTransportRequestsRequest(hospital_id=at.ward.hospital_id, page_size=1)
    overviews = await silos.overviews.ListTripOverviews(joint, metadata=nurse)
    listed = await silos.hospital.trips.ListTransportRequests(plain, metadata=nurse[:1])

    joint.page_token, plain.page_token = listed.next_page_token, overviews.next_page_token
    answer = await refused(silos.overviews.ListTripOverviews(joint, metadata=nurse))
    assert (answer.reason, answer.fields) == ("INVALID_PAGE_TOKEN", ["page_token"])
    answer = await refused(silos.hospital.trips.ListTransportRequests(plain, metadata=nurse[:1]))
    assert (answer.reason, answer.fields) == ("INVALID_PAGE_TOKEN", ["page_token"])


async def test_each_job_of_a_trip_says_what_is_due_of_it(silos: Joined) -> None:
    at = await carried(silos)
    first = await at.run.job()
    await at.run.drop(first)
    await silos.ems.hear(at.run.trip.reopened())
    bid = await at.run.bid()
    await silos.ems.hear(at.run.trip.awarded(bid.id, at.run.agency.id))
    again = await at.run.job()
    dispatcher = await silos.tokens("ems", at.run.agency.dispatcher)
    request = pb.ListTripOverviewsRequest(organization_id=str(at.run.agency.id))
    answer = await silos.overviews.ListTripOverviews(request, metadata=dispatcher)
    timers = {each.assignment.id: len(each.sla_timers) for each in answer.trip_overviews}
    assert timers == {again.id: 3, first.id: 3}


async def test_each_list_is_narrowed_by_its_own_filter(silos: Joined) -> None:
    at = await carried(silos)
    waiting = await at.ward.create()
    nurse = await silos.tokens("hospital", at.ward.staff)
    dispatcher = await silos.tokens("ems", at.run.agency.dispatcher)
    at_hospital, at_agency = at.ward.hospital_id, str(at.run.agency.id)

    async def listed(organization: str, caller: Metadata, **filter: Any) -> set[str]:
        request = pb.ListTripOverviewsRequest(
            organization_id=organization, filter=pb.TripOverviewFilter(**filter), page_size=1000
        )
        answer = await silos.overviews.ListTripOverviews(request, metadata=caller)
        return {each.transport_request_id for each in answer.trip_overviews}

    open_ones = trips.TransportRequestFilter(statuses=[words.TRIP_STATUS_PENDING])
    found = await listed(at_hospital, nurse, transport_request=open_ones)
    assert found & {waiting.id, at.trip.id} == {waiting.id}
    of_trip = jobs.AssignmentFilter(transport_request_id=at.trip.id)
    assert await listed(at_agency, dispatcher, assignment=of_trip) == {at.trip.id}

    answer = await refused(listed(at_hospital, nurse, assignment=of_trip))
    assert (answer.reason, answer.fields) == ("INVALID_REQUEST", ["filter.assignment"])
    answer = await refused(listed(at_agency, dispatcher, transport_request=open_ones))
    assert (answer.reason, answer.fields) == ("INVALID_REQUEST", ["filter.transport_request"])
