"""Forgets the answers to requests of more than a day ago."""

from __future__ import annotations

from chassis import idempotency_sweep
from chassis.clock import Clock
from chassis.idempotency import NO_TENANT
from chassis.unit_of_work import Database
from hospital_svc.repositories import hospitals


async def sweep(database: Database, clock: Clock) -> int:
    tenants = await hospitals.list_tenants(database.read(None))
    return await idempotency_sweep.forget(database, clock, [*tenants, NO_TENANT])
