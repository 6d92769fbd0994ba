"""Follows the agencies' bids, and keeps the hospital's copy of them."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import transport_bids_pb2 as ems

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus
from chassis.wire import member
from hospital_svc.messages.received_bids import Announced, received_bid
from hospital_svc.repositories import received_bids


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case ems.BidSubmitted() | ems.BidRevised() | ems.TransportBidSnapshot() as announced:
            await _put(uow, announced)
        case ems.BidClosed() as closed:
            hospital_id = UUID(closed.trip.hospital_id)
            await uow.use_tenant(hospital_id)
            await received_bids.close(
                uow,
                hospital_id,
                UUID(closed.bid_id),
                status=member(BidStatus, words.BidStatus, closed.status),
                bid_version=closed.bid_version,
            )


async def _put(uow: UnitOfWork, announced: Announced) -> None:
    bid = received_bid(announced)
    await uow.use_tenant(bid.hospital_id)
    await received_bids.put(uow, bid)
