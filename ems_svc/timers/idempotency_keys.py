"""Forgets the answers to requests of more than a day ago."""

from __future__ import annotations

from chassis import idempotency_sweep
from chassis.clock import Clock
from chassis.idempotency import NO_TENANT
from chassis.unit_of_work import Database
from ems_svc.repositories import agencies


async def sweep(database: Database, clock: Clock) -> int:
    tenants = [each.agency_id for each in await agencies.everyone(database.read(None))]
    return await idempotency_sweep.forget(database, clock, [*tenants, NO_TENANT])
