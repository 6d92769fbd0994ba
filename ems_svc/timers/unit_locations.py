"""Forgets where units were long ago."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.unit_of_work import Database
from ems_svc.repositories import agencies, center_copies, unit_location_history

SECONDS = 3600.0


async def sweep(database: Database, clock: Clock) -> int:
    rows, forgotten = database.read(None), 0
    before_at = clock() - await center_copies.location_retention(rows)
    for agency in await agencies.everyone(rows):
        async with database.begin(agency.agency_id) as uow:
            forgotten += await unit_location_history.forget(uow, agency.agency_id, before_at)
    return forgotten
