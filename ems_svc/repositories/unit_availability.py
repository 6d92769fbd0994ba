"""What units without a job did, interval by interval."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, insert, text, update

from chassis import ids
from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork
from ems_svc.domain.units import Unit
from ems_svc.tables import unit_availability as table

# An interval of no length is refused: two changes in one instant are a microsecond apart.
CLOSE = compiled(
    update(table)
    .where(
        table.c.agency_id == bindparam("agency_id"),
        table.c.unit_id == bindparam("unit_id"),
        table.c.end_at.is_(None),
    )
    .values(
        end_at=func.greatest(
            bindparam("at", type_=table.c.end_at.type),
            table.c.start_at + text("interval '1 microsecond'"),
        ),
        updated_at=bindparam("at"),
        row_version=table.c.row_version + 1,
    )
)
WRITTEN = ("agency_id", "id", "unit_id", "status", "start_at", "notes")
OPEN = compiled(insert(table).values({name: bindparam(name) for name in WRITTEN}))


async def turn(uow: UnitOfWork, unit: Unit, notes: str | None, at: datetime) -> None:
    """End the current interval of a unit and begin the next, with the status it has now."""
    await close(uow, unit.agency_id, unit.id, at)
    await uow.execute(
        OPEN,
        agency_id=unit.agency_id,
        id=ids.new(),
        unit_id=unit.id,
        status=unit.current_status,
        start_at=at,
        notes=notes,
    )


async def close(uow: UnitOfWork, agency_id: UUID, unit_id: UUID, at: datetime) -> None:
    await uow.execute(CLOSE, agency_id=agency_id, unit_id=unit_id, at=at)
