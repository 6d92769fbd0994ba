"""Jobs that agencies gave back, one row each: the trip may be another agency's by now."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.trip_facts import TripKey
from center_svc.repositories import stale_buckets
from center_svc.tables import drop_fact as table
from chassis.sql import columns, compiled
from chassis.unit_of_work import UnitOfWork

ADD = compiled(insert(table).on_conflict_do_nothing())


async def add(uow: UnitOfWork, key: TripKey, agency_id: UUID, award_token: UUID) -> None:
    """Keep that an agency gave back the job of an award; a repeat does nothing."""
    if await uow.execute(ADD, **columns(key), agency_id=agency_id, award_token=award_token):
        await stale_buckets.note_trip(uow, **columns(key))
