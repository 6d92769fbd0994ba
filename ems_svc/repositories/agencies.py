"""Agencies: the silo's directory of its tenants."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, Text, any_, bindparam, cast, or_, select, tuple_, update
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import insert

from chassis.errors import NotFound
from chassis.sql import columns, compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.agencies import Agency
from ems_svc.tables import changed_values, new_values, stored
from ems_svc.tables import ems_agency as table

GET = compiled(select(*stored(table)).where(same_key(table)), into=Agency)
LOCK = compiled(select(*stored(table)).where(same_key(table)).with_for_update(), into=Agency)
HOLD = compiled(
    select(*stored(table)).where(same_key(table)).with_for_update(read=True), into=Agency
)
ADD = compiled(insert(table).values(new_values(table)).on_conflict_do_nothing())
SAVE = compiled(update(table).where(same_key(table)).values(changed_values(table)))
ALL = compiled(select(*stored(table)).order_by(table.c.agency_id), into=Agency)
_only = cast(bindparam("only"), UuidType)
LIST = compiled(
    select(*stored(table))
    .where(
        tuple_(table.c.name, table.c.agency_id)
        > tuple_(bindparam("name", type_=Text), bindparam("agency_id")),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(_only.is_(None), table.c.agency_id == _only),
    )
    .order_by(table.c.name, table.c.agency_id)
    .limit(bindparam("limit")),
    into=Agency,
)


async def find(rows: Rows, agency_id: UUID) -> Agency | None:
    return await rows.optional(GET, agency_id=agency_id)


async def get(rows: Rows, agency_id: UUID) -> Agency:
    return _found(await find(rows, agency_id), agency_id)


async def lock_if_known(uow: UnitOfWork, agency_id: UUID) -> Agency | None:
    return await uow.optional(LOCK, agency_id=agency_id)


async def lock(uow: UnitOfWork, agency_id: UUID) -> Agency:
    """Read an agency and hold its row until the transaction ends."""
    agency = await lock_if_known(uow, agency_id)
    return _found(agency, agency_id)


async def hold(uow: UnitOfWork, agency_id: UUID) -> Agency:
    """Read an agency and keep its standing from changing until the transaction ends."""
    agency = await uow.optional(HOLD, agency_id=agency_id)
    return _found(agency, agency_id)


async def add(uow: UnitOfWork, agency: Agency) -> bool:
    """Add an agency; False when it is here already: Center may announce it again."""
    return await uow.execute(ADD, **_row(agency)) == 1


async def save(uow: UnitOfWork, agency: Agency) -> None:
    await uow.execute(SAVE, **_row(agency))


async def everyone(rows: Rows) -> list[Agency]:
    """Return every agency, in the order in which all who visit several of them do."""
    return await rows.all(ALL)


async def list_by_name(
    rows: Rows,
    statuses: Sequence[str],
    after: tuple[str, UUID],
    limit: int,
    *,
    only: UUID | None,
) -> list[Agency]:
    """Return agencies by name; ``only`` narrows the list to the caller's own."""
    name, agency_id = after
    known = {"name": name, "agency_id": agency_id, "limit": limit}
    return await rows.all(LIST, statuses=list(statuses), only=only, **known)


def _row(agency: Agency) -> dict[str, object]:
    """Give the agency as parameters; a list is an array to the driver unless it is told."""
    return columns(agency) | {"operating_hours": Jsonb(agency.operating_hours)}


def _found(agency: Agency | None, agency_id: UUID) -> Agency:
    if agency is None:
        raise NotFound(f"agency {agency_id} does not exist", resource="agency", id=str(agency_id))
    return agency
