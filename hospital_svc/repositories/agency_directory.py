"""The agencies, as the EMS silo announced them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import RegistryStatus
from hospital_svc.domain.agency_directory import DirectoryAgency, Filter
from hospital_svc.tables import agency_directory as table

_after = bindparam("after", type_=Uuid)
_levels = bindparam("levels", type_=ARRAY(Text))
STANDING = compiled(select(table.c.registry_status).where(same_key(table)), into=RegistryStatus)
LIST = compiled(
    select(table)
    .where(
        table.c.registry_status == any_(bindparam("registry_statuses", type_=ARRAY(Text))),
        or_(func.cardinality(_levels) == 0, table.c.levels.op("&&")(_levels)),
        table.c.capabilities.op("@>")(bindparam("capabilities", type_=ARRAY(Text))),
        or_(_after.is_(None), table.c.agency_id > _after),
    )
    .order_by(table.c.agency_id)
    .limit(bindparam("fetch")),
    into=DirectoryAgency,
)
_new = insert(table).values({column.key: bindparam(column.key) for column in table.c})
PUT = compiled(
    _new.on_conflict_do_update(
        index_elements=["agency_id"],
        set_=other_columns(table),
        where=table.c.agency_version < bindparam("agency_version"),
    )
)


async def standing(rows: Rows, agency_id: UUID) -> RegistryStatus | None:
    """Return an agency's standing in the mesh; None for one that nobody has announced."""
    return await rows.optional(STANDING, agency_id=agency_id)


async def list_by_id(
    rows: Rows, wanted: Filter, *, after: Sequence[str] | None, fetch: int
) -> list[DirectoryAgency]:
    key = UUID(after[0]) if after else None
    return await rows.all(LIST, **columns(wanted), after=key, fetch=fetch)


async def put(uow: UnitOfWork, agency: DirectoryAgency) -> None:
    """Keep ``agency`` unless a newer version is here."""
    await uow.execute(PUT, **columns(agency))
