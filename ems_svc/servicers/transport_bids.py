"""BidService: an agency's offers to carry patients."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import transport_bids_pb2 as pb
from medport.ems.v1 import transport_bids_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.errors import RateLimited
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.rates import Rate, Rates
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import BidStatus
from chassis.watching import Watching
from chassis.wire import any_of
from ems_svc.domain import awards
from ems_svc.domain import transport_bids as rules
from ems_svc.domain.events import BidClosed, BidRevised, BidSubmitted
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.live_watching import BidWatch
from ems_svc.messages import masks, words
from ems_svc.messages import transport_bids as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import (
    agencies,
    audit_entries,
    available_trips,
    offered_trips,
    transport_bids,
)


class BidServicer(rpc.BidServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, watching: Watching
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._watching = watching
        self._rates = Rates(RATE)

    async def GetBid(self, request: pb.GetBidRequest, context: object) -> pb.GetBidResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.bid_id)
        rows = self._database.read(agency_id)
        bid = await transport_bids.get(rows, agency_id, id)
        trip = await offered_trips.find(rows, bid.hospital_id, bid.transport_request_id)
        return pb.GetBidResponse(bid=messages.bid(bid, trip))

    async def ListBids(self, request: pb.ListBidsRequest, context: object) -> pb.ListBidsResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        rows = self._database.read(agency_id)
        found = await transport_bids.list_newest(
            rows,
            agency_id,
            statuses=any_of(BidStatus, vocabulary_pb2.BidStatus, request.filter.statuses),
            transport_request_id=words.optional_id(request.filter.transport_request_id),
            before=UUID(page.after[0]) if page.after else transport_bids.NEWEST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda bid: (bid.id,))
        awaiting = await offered_trips.awaiting(rows, agency_id)
        waiting = {trip.awarded_bid_id: trip for trip in awaiting}
        bids = [messages.bid(bid, waiting.get(bid.id)) for bid in shown]
        return pb.ListBidsResponse(bids=bids, next_page_token=token)

    async def WatchBids(  # type: ignore[override]  # grpc takes a writer too
        self, request: pb.WatchBidsRequest, context: Context
    ) -> None:
        rows = self._database.read(auth.tenant(request.agency_id))
        watch = BidWatch(request.agency_id, rows, context.write)
        await self._watching.watch(watch, watch.interest, request.resume_token)

    async def SubmitBid(
        self, request: pb.SubmitBidRequest, context: object
    ) -> pb.SubmitBidResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        trip_id, terms = UUID(request.transport_request_id), messages.terms(request.bid)

        async with self._database.begin(agency_id) as uow:
            self._count(agency_id, trip_id)
            trip = await _bid_on(uow, agency_id, trip_id, terms, now)
            bid, event = rules.submit(
                agency_id=agency_id,
                id=ids.new(),
                hospital_id=trip.hospital_id,
                transport_request_id=trip_id,
                terms=terms,
                by=auth.caller().user_id,
                at=now,
            )
            await transport_bids.add(uow, bid)
            made = messages.bid(bid)
            fields = masks.differing(pb.TransportBid(), made)
            await _tell(uow, event, transport_request_id=trip_id, fields=fields)
            return uow.answered(pb.SubmitBidResponse(bid=made))

    async def ReviseBid(
        self, request: pb.ReviseBidRequest, context: object
    ) -> pb.ReviseBidResponse:
        agency_id, id, now = auth.tenant(request.agency_id), UUID(request.bid_id), self._clock()
        terms = messages.terms(request.bid)

        async with self._database.begin(agency_id) as uow:
            known = await transport_bids.get(uow, agency_id, id)
            known.must_be_pending()
            self._count(agency_id, known.transport_request_id)
            await _bid_on(uow, agency_id, known.transport_request_id, terms, now)
            bid = await transport_bids.lock(uow, agency_id, id)
            words.must_match(request.etag, bid.row_version)
            revised, event = bid.revise(terms, now)
            await transport_bids.save(uow, revised)
            now_offered = messages.bid(revised)
            fields = masks.differing(messages.bid(bid), now_offered)
            await _tell(uow, event, fields=fields)
            return uow.answered(pb.ReviseBidResponse(bid=now_offered))

    async def WithdrawBid(
        self, request: pb.WithdrawBidRequest, context: object
    ) -> pb.WithdrawBidResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.bid_id)

        async with self._database.begin(agency_id) as uow:
            known = await transport_bids.get(uow, agency_id, id)
            trip = await offered_trips.lock(uow, known.hospital_id, known.transport_request_id)
            bid = await transport_bids.lock(uow, agency_id, id)
            words.must_match(request.etag, bid.row_version)
            withdrawn, event = bid.close(BidStatus.WITHDRAWN, self._clock())
            await transport_bids.save(uow, withdrawn)
            await _tell(uow, event, status=withdrawn.status)
            if trip is not None and trip.awarded_bid_id == id:  # the hospital need not wait longer
                announce(uow, [awards.decline(trip, awards.Award.of(trip, bid), "BID_WITHDRAWN")])
                await offered_trips.save(uow, trip.without_award(OfferState.CLOSED))
            return uow.answered(pb.WithdrawBidResponse(bid=messages.bid(withdrawn)))

    def _count(self, agency_id: UUID, trip_id: UUID) -> None:
        """Count a bid; raises RateLimited. Repeats of a request were answered before this."""
        if wait := self._rates.take((agency_id, trip_id)):
            raise RateLimited(
                "too many bids on this trip: wait",
                retry_after_seconds=f"{wait:.3f}",
                subject=f"agencies/{agency_id}/trips/{trip_id}",
            )


_NOUN = "transport_bid"
RATE = Rate(per_second=10 / 60, burst=10)  # per agency and trip, in each process


async def _tell(
    uow: UnitOfWork,
    event: BidSubmitted | BidRevised | BidClosed,
    **changes: Any,  # noqa: ANN401 - what JSON holds
) -> None:
    """Announce what became of a bid, and note in the audit what was changed."""
    bid = event.bid
    announce(uow, [event, await audit_entries.record(uow, bid.agency_id, _NOUN, bid.id, **changes)])


async def _bid_on(
    uow: UnitOfWork, agency_id: UUID, trip_id: UUID, terms: rules.Terms, at: datetime
) -> OfferedTrip:
    """Hold a trip that the agency may bid on; raises what speaks against it."""
    seen = await available_trips.get(uow, agency_id, trip_id, at)
    trip = await offered_trips.hold(uow, seen.hospital_id, trip_id)
    if trip is None:
        raise LookupError("a trip is shown that is not on offer")
    (await agencies.hold(uow, agency_id)).must_be_active()
    trip.must_take(terms, at)
    return trip
