"""The copy of every hospital's facilities: where trips begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, any_, bindparam, select
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.facilities import Facility
from ems_svc.tables import metadata

table = metadata.tables["facility_directory"]


_new = insert(table).values({each.key: bindparam(each.key) for each in table.c})
COPY = compiled(
    _new.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={each.key: _new.excluded[each.key] for each in table.c if not each.primary_key},
        where=table.c.facility_version < _new.excluded.facility_version,
    )
)
SOME = compiled(
    select(table).where(table.c.facility_id == any_(bindparam("ids", type_=ARRAY(UuidType)))),
    into=Facility,
)


async def copy(uow: UnitOfWork, facility: Facility) -> None:
    """Keep a facility's values, unless newer ones are here already."""
    await uow.execute(COPY, **columns(facility))


async def by_id(rows: Rows, ids: Sequence[UUID]) -> dict[UUID, Facility]:
    found = await rows.all(SOME, ids=list(set(ids)))
    return {facility.facility_id: facility for facility in found}
