"""Expires bids that lapsed undecided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.reactions import Due, Outcome
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import BidStatus
from ems_svc.domain.offered_trips import OfferedTrip
from ems_svc.domain.transport_bids import GRACE, TransportBid
from ems_svc.messages.announcements import announce
from ems_svc.repositories import offered_trips, transport_bids

Bid = tuple[UUID, UUID]  # of which agency, and which


class BidExpiries:
    """Expires what lapsed a minute ago: an award of a bid that lapsed just now comes first."""

    name = "bid_expiry"

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[Bid]]:
        """List the bids whose grace is over by ``until``, of every agency."""
        found = await transport_bids.list_lapsed(
            database.read(None), before_at=until - GRACE, fetch=fetch
        )
        return [Due(agency_id, (agency_id, id), at + GRACE) for agency_id, id, at in found]

    async def react(self, uow: UnitOfWork, due: Due[Bid], clock: Clock) -> Outcome:
        """Expire a bid, if it is still undecided and no award of it waits for its agency."""
        bid = await transport_bids.get(uow, *due.key)
        key = bid.hospital_id, bid.transport_request_id
        trip = await offered_trips.hold_free(uow, *key)
        if trip is None and await offered_trips.find(uow, *key) is not None:
            return Outcome.BUSY
        held = await transport_bids.lock_free(uow, *due.key)
        if held is None:
            return Outcome.BUSY
        at = clock()
        if _is_decided(trip, held) or held.expires_at + GRACE > at:
            return Outcome.MOVED_ON
        expired, event = held.close(BidStatus.EXPIRED, at)
        await transport_bids.save(uow, expired)
        announce(uow, [event])
        return Outcome.DONE


def _is_decided(trip: OfferedTrip | None, bid: TransportBid) -> bool:
    """Tell whether the bid has been decided, or won and its agency has yet to answer."""
    if trip is not None and trip.awarded_bid_id == bid.id and trip.confirm_deadline_at is not None:
        return True
    return bid.status is not BidStatus.PENDING
