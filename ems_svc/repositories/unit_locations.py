"""Where units are: one row each, the latest fix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, any_, bindparam, select, update
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.unit_locations import UnitLocation
from ems_svc.tables import unit_location as table

GET = compiled(select(table).where(same_key(table)), into=UnitLocation)
OF_UNITS = compiled(
    select(table).where(
        table.c.agency_id == bindparam("agency_id"),
        table.c.unit_id == any_(bindparam("unit_ids", type_=ARRAY(UuidType))),
    ),
    into=UnitLocation,
)
MOVED = compiled(
    select(table.c.unit_id).where(
        table.c.agency_id == bindparam("agency_id"), table.c.received_at >= bindparam("since_at")
    ),
    into=lambda unit_id: unit_id,
)
_new = insert(table).values({each.key: bindparam(each.key) for each in table.c})
_moved = ("latitude", "longitude", "fix_at", "received_at")
# A fix that is not newer changes nothing, however late it arrives.
MOVE = compiled(
    _new.on_conflict_do_update(
        index_elements=[table.c.agency_id, table.c.unit_id],
        set_={name: _new.excluded[name] for name in _moved},
        where=table.c.fix_at < _new.excluded.fix_at,
    ).returning(*table.c),
    into=UnitLocation,
)
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))


async def find(rows: Rows, agency_id: UUID, unit_id: UUID) -> UnitLocation | None:
    return await rows.optional(GET, agency_id=agency_id, unit_id=unit_id)


async def of_units(
    rows: Rows, agency_id: UUID, unit_ids: Sequence[UUID]
) -> dict[UUID, UnitLocation]:
    found = await rows.all(OF_UNITS, agency_id=agency_id, unit_ids=list(unit_ids))
    return {location.unit_id: location for location in found}


async def moved(rows: Rows, agency_id: UUID, since_at: datetime) -> frozenset[UUID]:
    """Return the units of which a place has come in since a moment."""
    return frozenset(await rows.all(MOVED, agency_id=agency_id, since_at=since_at))


async def move(uow: UnitOfWork, fix: UnitLocation) -> UnitLocation | None:
    """Keep a fix, and hold its row; None when a newer one is known."""
    return await uow.optional(MOVE, **columns(fix))


async def save(uow: UnitOfWork, location: UnitLocation) -> None:
    await uow.execute(SAVE, **columns(location))
