"""Forgets the answers to requests of more than a day ago."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.idempotency import FORGET
from chassis.unit_of_work import Database
from hospital_svc.repositories import hospitals


async def sweep(database: Database, clock: Clock) -> int:
    """Forget each tenant's in a unit of work of its own; return how many."""
    forgotten = 0
    for hospital_id in await hospitals.list_tenants(database.read(None)):
        async with database.begin(hospital_id) as uow:
            forgotten += await uow.execute(FORGET, at=clock())
    return forgotten
