"""Gives up trips that nobody was awarded in time."""

from __future__ import annotations

from uuid import UUID

from chassis.clock import Clock
from chassis.unit_of_work import Database
from hospital_svc import decisions
from hospital_svc.domain import cancellations
from hospital_svc.domain.awards import ANSWER_GRACE
from hospital_svc.repositories import hospitals, received_bids, transport_requests

AT_ONCE = 100


async def sweep(database: Database, clock: Clock) -> int:
    """Expire what is overdue, each trip in a unit of work of its own; return how many."""
    expired = 0
    for hospital_id in await hospitals.list_tenants(database.read(None)):
        overdue = await transport_requests.list_overdue_offers(
            database.read(hospital_id),
            hospital_id,
            before_at=clock() - ANSWER_GRACE,
            fetch=AT_ONCE,
        )
        for trip_id in overdue:
            expired += await _expire(database, clock, hospital_id, trip_id)
    return expired


async def _expire(database: Database, clock: Clock, hospital_id: UUID, trip_id: UUID) -> int:
    async with database.begin(hospital_id) as uow:
        trip = await transport_requests.lock(uow, hospital_id, trip_id)
        at = clock()
        has_live_bid = await received_bids.has_live(
            uow, hospital_id, trip_id, material_version=trip.material_version, at=at
        )
        decision = cancellations.expire(trip, has_live_bid=has_live_bid, at=at)
        if decision is None:
            return 0
        await decisions.write(uow, decision)
        return 1
