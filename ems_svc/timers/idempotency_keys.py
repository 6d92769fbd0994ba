"""Forgets the answers to requests of more than a day ago."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.idempotency import FORGET
from chassis.unit_of_work import Database
from ems_svc.repositories import agencies


async def sweep(database: Database, clock: Clock) -> int:
    """Forget each agency's in a unit of work of its own; return how many."""
    forgotten = 0
    for agency in await agencies.everyone(database.read(None)):
        async with database.begin(agency.agency_id) as uow:
            forgotten += await uow.execute(FORGET, at=clock())
    return forgotten
