"""What units did, from when until when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from center_svc.repositories import stale_buckets
from center_svc.tables import unit_interval_fact as table
from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import UnitStatus

_UNIT = (
    table.c.agency_id == bindparam("agency_id"),
    table.c.unit_id == bindparam("unit_id"),
)
# An event that comes again finds its successor's interval open, and ends nothing.
END = compiled(
    update(table)
    .where(*_UNIT, table.c.ended_at.is_(None), table.c.started_at < bindparam("at"))
    .values(ended_at=bindparam("at"))
)
# Nothing follows that would take the place of what began in the same moment.
RETIRE = compiled(
    update(table)
    .where(*_UNIT, table.c.ended_at.is_(None), table.c.started_at <= bindparam("at"))
    .values(ended_at=bindparam("at"))
)
_BEGIN = insert(table).values(
    agency_id=bindparam("agency_id"),
    unit_id=bindparam("unit_id"),
    started_at=bindparam("at"),
    status=bindparam("status"),
)
BEGIN = compiled(
    _BEGIN.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={"status": _BEGIN.excluded.status},
        where=table.c.status != _BEGIN.excluded.status,
    )
)


async def turn(
    uow: UnitOfWork, agency_id: UUID, unit_id: UUID, status: UnitStatus, at: datetime
) -> None:
    """End what a unit did until now, and begin what it does."""
    ended = await uow.execute(END, agency_id=agency_id, unit_id=unit_id, at=at)
    begun = await uow.execute(BEGIN, agency_id=agency_id, unit_id=unit_id, at=at, status=status)
    if ended or begun:
        await stale_buckets.note_units(uow, at)


async def retire(uow: UnitOfWork, agency_id: UUID, unit_id: UUID, at: datetime) -> None:
    """End what a unit did until now; it does nothing from now on."""
    if await uow.execute(RETIRE, agency_id=agency_id, unit_id=unit_id, at=at):
        await stale_buckets.note_units(uow, at)
