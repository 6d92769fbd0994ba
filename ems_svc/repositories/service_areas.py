"""Where agencies pick patients up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import bindparam, delete, insert, select, update

from chassis.errors import NotFound
from chassis.sql import columns, compiled, if_given, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.service_areas import PrimaryAreaExists, ServiceArea
from ems_svc.tables import service_area as table

_of_agency = table.c.agency_id == bindparam("agency_id")

GET = compiled(select(table).where(same_key(table)), into=ServiceArea)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=ServiceArea)
ADD = compiled(insert(table))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
REMOVE = compiled(delete(table).where(same_key(table)))
ACTIVE = compiled(
    select(table).where(_of_agency, table.c.is_active).order_by(table.c.id), into=ServiceArea
)
LIST = compiled(
    select(table)
    .where(
        _of_agency,
        table.c.id > bindparam("after"),
        if_given(table.c.is_active, "is_active"),
        if_given(table.c.is_primary, "is_primary"),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit")),
    into=ServiceArea,
)


async def get(rows: Rows, agency_id: UUID, id: UUID) -> ServiceArea:
    area = await rows.optional(GET, agency_id=agency_id, id=id)
    return _found(area, id)


async def lock(uow: UnitOfWork, agency_id: UUID, id: UUID) -> ServiceArea:
    """Read an area and hold its row until the transaction ends."""
    area = await uow.optional(LOCK, agency_id=agency_id, id=id)
    return _found(area, id)


async def add(uow: UnitOfWork, area: ServiceArea) -> None:
    """Add an area; raises PrimaryAreaExists."""
    with _one_primary():
        await uow.execute(ADD, **columns(area))


async def save(uow: UnitOfWork, area: ServiceArea) -> None:
    """Write back an area read with ``lock``; raises PrimaryAreaExists."""
    with _one_primary():
        await uow.execute(SAVE, **columns(area))


async def remove(uow: UnitOfWork, agency_id: UUID, id: UUID) -> None:
    await uow.execute(REMOVE, agency_id=agency_id, id=id)


async def active(rows: Rows, agency_id: UUID) -> list[ServiceArea]:
    """Return the areas that count; an agency has a handful."""
    return await rows.all(ACTIVE, agency_id=agency_id)


async def list_by_id(
    rows: Rows,
    agency_id: UUID,
    after: UUID,
    limit: int,
    *,
    is_active: bool | None,
    is_primary: bool | None,
) -> list[ServiceArea]:
    wanted = {"agency_id": agency_id, "is_active": is_active, "is_primary": is_primary}
    return await rows.all(LIST, **wanted, after=after, limit=limit)


def _found(area: ServiceArea | None, id: UUID) -> ServiceArea:
    if area is None:  # the same answer for another agency's: that it exists is not leaked
        raise NotFound(f"service area {id} does not exist", resource="service_area", id=str(id))
    return area


@contextmanager
def _one_primary() -> Iterator[None]:
    try:
        yield
    except UniqueViolation as taken:
        if taken.diag.constraint_name != "service_area_primary":
            raise
        raise PrimaryAreaExists("the agency has another primary area") from taken
