"""Follows the agencies' bids, and folds them into facts and service levels."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import transport_bids_pb2 as pb

from center_svc.messages import facts
from center_svc.repositories import bid_facts, sla_timers, trip_facts
from chassis.clock import instant
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus
from chassis.wire import member


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case pb.BidSubmitted() as submitted:
            await bid_facts.put(uow, facts.bid_fact(submitted))
            await _count_first(uow, submitted, event.placement.position)
        case pb.BidRevised() as revised:
            await bid_facts.put(uow, facts.bid_fact(revised))
        case pb.BidClosed() as closed:
            await bid_facts.close(
                uow,
                UUID(closed.agency_id),
                UUID(closed.bid_id),
                member(BidStatus, words.BidStatus, closed.status),
                closed.bid_version,
            )


async def _count_first(uow: UnitOfWork, submitted: pb.BidSubmitted, position: int) -> None:
    key, at = facts.trip_key(submitted.trip), instant(submitted.bid.submit_time)
    if await trip_facts.apply(uow, trip_facts.BID, key, position, at=at):
        await sla_timers.bid(uow, key, at)
