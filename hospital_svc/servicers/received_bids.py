"""ReceivedBidService: the bids on a hospital's trips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import received_bids_pb2 as pb
from medport.hospital.v1 import received_bids_pb2_grpc as rpc

from chassis import auth
from chassis.clock import Clock
from chassis.paging import Paging
from chassis.row_watching import RowWatching
from chassis.unit_of_work import Database
from chassis.vocabulary import BidStatus, TripStatus
from chassis.wire import member
from hospital_svc.domain.received_bids import Shown
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.messages import received_bids as messages
from hospital_svc.repositories import received_bids, transport_requests

MOST_BIDS = 1000  # agencies that one trip is offered to are fewer


class ReceivedBidServicer(rpc.ReceivedBidServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, draining: asyncio.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._watching: RowWatching[pb.WatchReceivedBidsResponse, pb.ReceivedBid] = RowWatching(
            pb.WatchReceivedBidsResponse, "bid", clock, draining
        )

    async def GetReceivedBid(
        self, request: pb.GetReceivedBidRequest, context: object
    ) -> pb.GetReceivedBidResponse:
        hospital_id = auth.tenant(request.hospital_id)
        rows = self._database.read(hospital_id)
        found = await received_bids.show(rows, hospital_id, UUID(request.bid_id))
        trip = await transport_requests.get(rows, hospital_id, found.bid.transport_request_id)
        return pb.GetReceivedBidResponse(bid=self._shown(found, trip))

    async def ListReceivedBids(
        self, request: pb.ListReceivedBidsRequest, context: object
    ) -> pb.ListReceivedBidsResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        rows = self._database.read(hospital_id)
        trip = await transport_requests.get(rows, hospital_id, UUID(request.transport_request_id))
        statuses = [member(BidStatus, words.BidStatus, each) for each in request.statuses]
        found = await received_bids.list_of(
            rows, hospital_id, trip.id, statuses, after=page.after, fetch=page.fetch
        )
        shown, token = page.cut(found, lambda each: each.sort_key)
        return pb.ListReceivedBidsResponse(
            bids=[self._shown(each, trip) for each in shown], next_page_token=token
        )

    async def WatchReceivedBids(
        self, request: pb.WatchReceivedBidsRequest, context: object
    ) -> AsyncIterator[pb.WatchReceivedBidsResponse]:
        look = partial(self._look, request)
        async for frame in self._watching.watch(look, request.resume_token):
            yield frame

    async def _look(self, request: pb.WatchReceivedBidsRequest) -> dict[str, pb.ReceivedBid]:
        """Return a trip's bids by id, as they stand, if the caller may still see them."""
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        rows = self._database.read(hospital_id)
        trip = await transport_requests.get(rows, hospital_id, id)
        found = await received_bids.list_of(
            rows, hospital_id, id, tuple(BidStatus), after=None, fetch=MOST_BIDS
        )
        return {str(each.bid.id): self._shown(each, trip) for each in found}

    def _shown(self, found: Shown, trip: TransportRequest) -> pb.ReceivedBid:
        return messages.shown(
            found,
            material_version=trip.material_version,
            at=self._clock(),
            is_open=trip.status is TripStatus.PENDING,
        )
