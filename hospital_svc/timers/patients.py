"""Forgets who the patients of trips were that ended long ago."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.unit_of_work import Database
from hospital_svc import audit
from hospital_svc.repositories import center_copies, hospitals, patients

SECONDS = 3600.0
AT_ONCE = 500  # trips of one hospital in one transaction; the next turn goes on


async def sweep(database: Database, clock: Clock) -> int:
    rows, forgotten, at = database.read(None), 0, clock()
    before_at = at - await center_copies.phi_retention(rows)
    for hospital_id in await hospitals.list_tenants(rows):
        async with database.begin(hospital_id) as uow:
            count = await patients.forget(uow, hospital_id, before_at, at=at, most=AT_ONCE)
            if count:
                await audit.note(uow, hospital_id, "patient", None, at=at, forgotten=count)
        forgotten += count
    return forgotten
