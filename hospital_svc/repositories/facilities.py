"""A hospital's facilities; each write also writes the directory that everybody's trips refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, insert, or_, select, update

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.facilities import Facility, Filter
from hospital_svc.domain.refusals import FacilityExists
from hospital_svc.tables import hospital_facility as table

ONE_PER_PLACE = "hospital_facility_place"


_after = bindparam("after", type_=Uuid)
GET = compiled(select(table).where(same_key(table)), into=Facility)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=Facility)
LIST = compiled(
    select(table)
    .where(
        table.c.hospital_id == bindparam("hospital_id"),
        table.c.type == any_(bindparam("types", type_=ARRAY(Text))),
        table.c.capabilities.op("@>")(bindparam("having", type_=ARRAY(Text))),
        or_(~bindparam("active_only"), table.c.is_active),
        or_(_after.is_(None), table.c.id > _after),
    )
    .order_by(table.c.id)
    .limit(bindparam("fetch")),
    into=Facility,
)
LOCK_ALL = compiled(
    select(table)
    .where(table.c.hospital_id == bindparam("hospital_id"))
    .order_by(table.c.id)
    .with_for_update(),
    into=Facility,
)
ADD = compiled(insert(table).values({column.key: bindparam(column.key) for column in table.c}))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))


def _missing(id: UUID) -> NotFound:
    return NotFound("the facility does not exist", resource="facility", id=str(id))


async def get(rows: Rows, hospital_id: UUID, id: UUID) -> Facility:
    facility = await rows.optional(GET, hospital_id=hospital_id, id=id)
    if facility is None:
        raise _missing(id)
    return facility


async def lock(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> Facility:
    facility = await uow.optional(LOCK, hospital_id=hospital_id, id=id)
    if facility is None:
        raise _missing(id)
    return facility


async def lock_all(uow: UnitOfWork, hospital_id: UUID) -> list[Facility]:
    """Hold all of a hospital's facilities: there are tens, and its new name concerns each."""
    return await uow.all(LOCK_ALL, hospital_id=hospital_id)


async def list_by_id(
    rows: Rows, hospital_id: UUID, wanted: Filter, *, after: Sequence[str] | None, fetch: int
) -> list[Facility]:
    return await rows.all(
        LIST,
        hospital_id=hospital_id,
        **wanted.parameters(),
        after=UUID(after[0]) if after else None,
        fetch=fetch,
    )


async def add(uow: UnitOfWork, facility: Facility) -> None:
    """Add a facility; raises FacilityExists for a second one of its name and address."""
    await _write(uow, ADD, facility)


async def save(uow: UnitOfWork, facility: Facility) -> None:
    """Write back a facility read with ``lock``; raises FacilityExists as ``add`` does."""
    await _write(uow, SAVE, facility)


async def _write(uow: UnitOfWork, statement: Any, facility: Facility) -> None:  # noqa: ANN401 - rowless
    values = columns(facility) | {"operating_hours": Jsonb(facility.operating_hours)}
    try:
        await uow.execute(statement, **values)
    except UniqueViolation as taken:
        if taken.diag.constraint_name == ONE_PER_PLACE:
            raise FacilityExists("the hospital has a facility of this name and address") from taken
        raise
