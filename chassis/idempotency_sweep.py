"""Forgets the answers to requests of more than a day ago: what every silo's timer does."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from chassis.clock import Clock
from chassis.sql import written
from chassis.unit_of_work import Database

SECONDS = 600.0  # what is deleted late is replayed late, no more

# Of the tenant that the transaction has turned to.
FORGET = written("DELETE FROM idempotency_key WHERE expires_at < %(at)s")


async def forget(database: Database, clock: Clock, tenants: Iterable[UUID | None]) -> int:
    """Forget each tenant's in a unit of work of its own; return how many."""
    forgotten = 0
    for tenant in tenants:
        async with database.begin(tenant) as uow:
            forgotten += await uow.execute(FORGET, at=clock())
    return forgotten
