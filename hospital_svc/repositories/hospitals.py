"""The hospitals that this silo serves: its tenants."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import RegistryStatus
from hospital_svc.domain.hospitals import Hospital
from hospital_svc.tables import hospital as table

_after = bindparam("after", type_=Uuid)
GET = compiled(select(table).where(same_key(table)), into=Hospital)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=Hospital)
LIST = compiled(
    select(table)
    .where(
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(_after.is_(None), table.c.hospital_id > _after),
    )
    .order_by(table.c.hospital_id)
    .limit(bindparam("fetch")),
    into=Hospital,
)
EACH = compiled(select(table), into=Hospital)
ALL = compiled(select(table.c.hospital_id), into=lambda each: each)
ADD = compiled(
    insert(table)
    .values({column.key: bindparam(column.key) for column in table.c})
    .on_conflict_do_nothing()
)
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
SET_STANDING = compiled(
    update(table)
    .where(same_key(table), table.c.registry_version < bindparam("registry_version"))
    .values(
        status=bindparam("status"),
        registry_version=bindparam("registry_version"),
        updated_at=bindparam("updated_at"),
        row_version=table.c.row_version + 1,
    )
)


def _missing(id: UUID) -> NotFound:
    return NotFound("the hospital does not exist", resource="hospital", id=str(id))


async def get(rows: Rows, id: UUID) -> Hospital:
    hospital = await rows.optional(GET, hospital_id=id)
    if hospital is None:
        raise _missing(id)
    return hospital


async def lock(uow: UnitOfWork, id: UUID) -> Hospital:
    hospital = await uow.optional(LOCK, hospital_id=id)
    if hospital is None:
        raise _missing(id)
    return hospital


async def list_by_id(
    rows: Rows, statuses: Sequence[str], *, after: Sequence[str] | None, fetch: int
) -> list[Hospital]:
    key = UUID(after[0]) if after else None
    return await rows.all(LIST, statuses=list(statuses), after=key, fetch=fetch)


def each(uow: UnitOfWork) -> AsyncGenerator[Hospital, None]:
    """Yield every hospital, one by one."""
    return uow.each(EACH)


async def list_tenants(rows: Rows) -> list[UUID]:
    """Return every hospital's id: sweeps go through them one by one."""
    return await rows.all(ALL)


async def add(uow: UnitOfWork, hospital: Hospital) -> bool:
    """Add a hospital; False when it is here already, however often it was registered."""
    return await uow.execute(ADD, **columns(hospital)) == 1


async def save(uow: UnitOfWork, hospital: Hospital) -> None:
    await uow.execute(SAVE, **columns(hospital))


async def set_standing(
    uow: UnitOfWork, id: UUID, status: RegistryStatus, registry_version: int, at: datetime
) -> None:
    """Follow Center's registry, unless a newer version of it is known."""
    version = {"registry_version": registry_version, "updated_at": at}
    await uow.execute(SET_STANDING, hospital_id=id, status=status, **version)
