"""Declines awards that their agency, which answers by hand, has let pass."""

from __future__ import annotations

from datetime import datetime

from chassis.clock import Clock
from chassis.unit_of_work import Database
from ems_svc.domain import awards as rules
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.messages.announcements import announce
from ems_svc.repositories import offered_trips, transport_bids


async def sweep(database: Database, clock: Clock) -> int:
    """Decline every award whose deadline has passed; its bid stays as it is."""
    now = clock()
    late = [
        trip
        for trip in await offered_trips.awaiting(database.read(None))
        if trip.confirm_deadline_at is not None and trip.confirm_deadline_at < now
    ]
    for trip in late:
        await _decline(database, trip, now)
    return len(late)


async def _decline(database: Database, seen: OfferedTrip, at: datetime) -> None:
    async with database.begin(seen.awarded_agency_id) as uow:
        trip = await offered_trips.lock(uow, seen.hospital_id, seen.transport_request_id)
        if trip is None or trip.confirm_deadline_at is None or trip.confirm_deadline_at >= at:
            return  # answered meanwhile
        if trip.awarded_agency_id is None or trip.awarded_bid_id is None:
            return
        bid = await transport_bids.get(uow, trip.awarded_agency_id, trip.awarded_bid_id)
        declined = rules.decline(trip, rules.Award.of(trip, bid), "DEADLINE_PASSED")
        await offered_trips.save(uow, trip.without_award(OfferState.CLOSED))
        announce(uow, [declined])
