"""TripOverviewService: trips as all silos know them, from as many as answer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from medport.center.v1 import analytics_pb2 as center
from medport.ems.v1 import assignments_pb2 as jobs
from medport.ems.v1 import units_pb2 as units
from medport.hospital.v1 import received_bids_pb2 as bids
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.router.v1 import gateway_pb2
from medport.router.v1 import trip_overviews_pb2 as pb
from medport.router.v1 import trip_overviews_pb2_grpc as rpc

from chassis.errors import InvalidArgument, NotFound
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.wire import optional
from router.asking import Asking, Question, Round, Unanswered
from router.servicers.gateway import silo_number

_TRIPS = "/medport.hospital.v1.TransportRequestService/"
_JOBS = "/medport.ems.v1.AssignmentService/"
GET_TRIPS = Question(f"{_TRIPS}BatchGetTransportRequests", trips.BatchGetTransportRequestsResponse)
LIST_TRIPS = Question(f"{_TRIPS}ListTransportRequests", trips.ListTransportRequestsResponse)
LIST_HISTORY = Question(f"{_TRIPS}ListTripHistory", trips.ListTripHistoryResponse)
GET_TRACKING = Question(f"{_TRIPS}GetTripTracking", trips.GetTripTrackingResponse)
LIST_BIDS = Question(
    "/medport.hospital.v1.ReceivedBidService/ListReceivedBids", bids.ListReceivedBidsResponse
)
LIST_JOBS = Question(f"{_JOBS}ListAssignments", jobs.ListAssignmentsResponse)
GET_UNIT = Question("/medport.ems.v1.UnitService/GetUnit", units.GetUnitResponse)
LIST_TIMERS = Question(
    "/medport.center.v1.AnalyticsService/ListSlaTimers", center.ListSlaTimersResponse
)
MOST = 1000  # of a page of any silo
TRIPS_AT_ONCE = 200  # each of which has five timers at the most, all on one page


class TripOverviewServicer(rpc.TripOverviewServiceServicer):
    def __init__(self, asking: Asking, paging: Paging) -> None:
        self._asking, self._paging = asking, paging

    async def GetTripOverview(
        self, request: pb.GetTripOverviewRequest, context: Context
    ) -> pb.GetTripOverviewResponse:
        round, ids = self._asking.begin(context), [request.transport_request_id]
        overview = pb.TripOverview(hospital_id=request.hospital_id, transport_request_id=ids[0])
        *_, timers = await asyncio.gather(
            _add_trip(round, overview),
            _add_own_job(round, overview),
            _timers(round, str(round.caller.tenant_id or ""), ids),
        )
        overview.sla_timers.extend(timers)
        if not round.has_answers:
            worst = min(round.missing.values(), key=lambda each: each.is_refusal)
            await worst.pass_on(context)
        return pb.GetTripOverviewResponse(
            trip_overview=overview, unanswered_silos=_unanswered(round)
        )

    async def ListTripOverviews(
        self, request: pb.ListTripOverviewsRequest, context: Context
    ) -> pb.ListTripOverviewsResponse:
        round, organization = self._asking.begin(context), request.organization_id
        _refuse_other_list(round, request.filter)
        # A silo's token is sealed once more: as it is, it would serve the silo's own list, too.
        page = self._paging.page(request)
        begins = page.after[0] if page.after else ""
        try:
            listed = await _page(round, request, begins)
        except Unanswered as unanswered:
            await unanswered.pass_on(context)
        if listed.next_page_token:
            listed.next_page_token = page.behind([listed.next_page_token])
        by_id = defaultdict[str, list[pb.TripOverview]](list)
        for each in listed.trip_overviews:  # an agency that dropped a trip may have it again
            by_id[each.transport_request_id].append(each)
        for timer in await _timers(round, organization, list(by_id)):
            for each in by_id[timer.transport_request_id]:
                each.sla_timers.append(timer)
        listed.unanswered_silos.extend(_unanswered(round))
        return listed


async def _add_trip(round: Round, overview: pb.TripOverview) -> None:
    """Add what the hospital knows, and the unit that it names for who may see any agency's."""
    own, id = overview.hospital_id, overview.transport_request_id
    one = trips.BatchGetTransportRequestsRequest(hospital_id=own, transport_request_ids=[id])
    steps = trips.ListTripHistoryRequest(hospital_id=own, transport_request_id=id, page_size=MOST)
    offered = bids.ListReceivedBidsRequest(hospital_id=own, transport_request_id=id, page_size=MOST)
    seen = trips.GetTripTrackingRequest(hospital_id=own, transport_request_id=id)
    found, history, offers, tracking = await asyncio.gather(
        round.ask(GET_TRIPS, one),
        round.ask(LIST_HISTORY, steps),
        round.ask(LIST_BIDS, offered),
        round.ask(GET_TRACKING, seen, moot="TRIP_ENDED"),
    )
    if history is not None:
        overview.trip_history.extend(history.trip_history)
    if offers is not None:
        overview.received_bids.extend(offers.bids)
    if tracking is not None:
        overview.trip_tracking.CopyFrom(tracking.trip_tracking)
    if found is not None:
        overview.transport_request.CopyFrom(found.transport_requests[0])
    elif (missing := round.missing["hospital"]).reason == "NOT_FOUND":
        await missing.pass_on(round.context)
    if round.caller.silo != "ems":
        trip = overview.transport_request
        await _add_unit(round, overview, trip.assigned_agency_id, trip.assigned_unit_id)


async def _add_own_job(round: Round, overview: pb.TripOverview) -> None:
    """Add the agency's newest job of the trip; without one, the trip is none of its business."""
    if round.caller.silo != "ems":
        return
    agency_id, id = str(round.caller.tenant_id), overview.transport_request_id
    filter = jobs.AssignmentFilter(transport_request_id=id)
    request = jobs.ListAssignmentsRequest(agency_id=agency_id, filter=filter, page_size=1)
    found = await round.ask(LIST_JOBS, request)
    if found is None:
        return
    if not found.assignments or found.assignments[0].hospital_id != overview.hospital_id:
        text = f"transport request {id} does not exist"
        raise NotFound(text, resource="transport_request", id=id)
    overview.assignment.CopyFrom(found.assignments[0])
    await _add_unit(round, overview, agency_id, overview.assignment.unit_id)


async def _add_unit(round: Round, overview: pb.TripOverview, agency_id: str, unit_id: str) -> None:
    if not unit_id:
        return
    found = await round.ask(GET_UNIT, units.GetUnitRequest(agency_id=agency_id, unit_id=unit_id))
    if found is not None:
        overview.unit.CopyFrom(found.unit)


def _refuse_other_list(round: Round, filter: pb.TripOverviewFilter) -> None:
    """Refuse a filter of a list that this caller's is not: without it, too much would be shown."""
    given = filter.WhichOneof("list")
    own = "assignment" if round.caller.silo == "ems" else "transport_request"
    if given and given != own:
        violations = {f"filter.{given}": f"is not of this list: {own} is"}
        raise InvalidArgument("the filter is another list's", violations=violations)


async def _page(
    round: Round, request: pb.ListTripOverviewsRequest, begins: str
) -> pb.ListTripOverviewsResponse:
    """Return one silo's page, which begins where its token ``begins`` says, with its next token."""
    return await (_jobs if round.caller.silo == "ems" else _trips)(round, request, begins)


async def _trips(
    round: Round, request: pb.ListTripOverviewsRequest, begins: str
) -> pb.ListTripOverviewsResponse:
    asked = trips.ListTransportRequestsRequest(
        hospital_id=request.organization_id,
        filter=optional(request.filter, "transport_request"),
        page_size=request.page_size,
        page_token=begins,
    )
    found = await round.demand(LIST_TRIPS, asked)
    shown = [
        pb.TripOverview(
            hospital_id=each.hospital_id, transport_request_id=each.id, transport_request=each
        )
        for each in found.transport_requests
    ]
    return pb.ListTripOverviewsResponse(trip_overviews=shown, next_page_token=found.next_page_token)


async def _jobs(
    round: Round, request: pb.ListTripOverviewsRequest, begins: str
) -> pb.ListTripOverviewsResponse:
    asked = jobs.ListAssignmentsRequest(
        agency_id=request.organization_id,
        filter=optional(request.filter, "assignment"),
        page_size=request.page_size,
        page_token=begins,
    )
    found = await round.demand(LIST_JOBS, asked)
    shown = [
        pb.TripOverview(
            hospital_id=each.hospital_id,
            transport_request_id=each.transport_request_id,
            assignment=each,
        )
        for each in found.assignments
    ]
    return pb.ListTripOverviewsResponse(trip_overviews=shown, next_page_token=found.next_page_token)


async def _timers(round: Round, organization_id: str, ids: Sequence[str]) -> list[center.SlaTimer]:
    """Return the trips' timers, as far as this caller may see them; none without an answer."""
    parts = [ids[at : at + TRIPS_AT_ONCE] for at in range(0, len(ids), TRIPS_AT_ONCE)]
    asked = [
        center.ListSlaTimersRequest(
            organization_id=organization_id,
            filter=center.SlaTimerFilter(transport_request_ids=part),
            page_size=MOST,
        )
        for part in parts
    ]
    answers = await asyncio.gather(*(round.ask(LIST_TIMERS, each) for each in asked))
    return [timer for each in answers if each is not None for timer in each.sla_timers]


def _unanswered(round: Round) -> list[gateway_pb2.UnansweredSilo]:
    return [
        gateway_pb2.UnansweredSilo(
            silo=silo_number(each.silo),
            explanation=each.text,
            cause=gateway_pb2.UNANSWERED_CAUSE_REFUSAL
            if each.is_refusal
            else gateway_pb2.UNANSWERED_CAUSE_OUTAGE,
            code=each.code.value[0],
            reason=each.reason,
        )
        for each in round.missing.values()
    ]
