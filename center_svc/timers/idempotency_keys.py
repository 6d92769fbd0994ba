"""Forgets the answers to requests of more than a day ago."""

from __future__ import annotations

from chassis import idempotency_sweep
from chassis.clock import Clock
from chassis.unit_of_work import Database


async def sweep(database: Database, clock: Clock) -> int:
    return await idempotency_sweep.forget(database, clock, [None])
