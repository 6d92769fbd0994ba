"""Every hospital's facilities: where a trip may begin or end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.facilities import Facility, Filter
from hospital_svc.domain.facility_directory import DirectoryFacility
from hospital_svc.domain.needs import Place
from hospital_svc.tables import facility_directory as table

_after = bindparam("after", type_=Uuid)
# Shared with other new trips, in conflict with a deactivation: neither overlooks the other.
PLACES = compiled(
    select(table.c.facility_id, table.c.hospital_id, table.c.is_active)
    .where(table.c.facility_id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(table.c.facility_id)  # all lock in one order, so that none deadlock
    .with_for_update(read=True),
    into=Place,
)
EACH = compiled(select(table), into=DirectoryFacility)
LIST = compiled(
    select(table)
    .where(
        table.c.type == any_(bindparam("types", type_=ARRAY(Text))),
        table.c.capabilities.op("@>")(bindparam("having", type_=ARRAY(Text))),
        or_(~bindparam("active_only"), table.c.is_active),
        or_(_after.is_(None), table.c.facility_id > _after),
    )
    .order_by(table.c.facility_id)
    .limit(bindparam("fetch")),
    into=DirectoryFacility,
)
_new = insert(table).values({column.key: bindparam(column.key) for column in table.c})
PUT = compiled(
    _new.on_conflict_do_update(index_elements=["facility_id"], set_=other_columns(table))
)


async def places(uow: UnitOfWork, *ids: UUID) -> dict[UUID, Place]:
    """Read the ends of a new trip, and keep them from closing until the trip is there."""
    return {each.facility_id: each for each in await uow.all(PLACES, ids=list(ids))}


def each(uow: UnitOfWork) -> AsyncGenerator[DirectoryFacility, None]:
    """Yield every hospital's facilities, closed ones included, one by one."""
    return uow.each(EACH)


async def list_by_id(
    rows: Rows, wanted: Filter, *, after: Sequence[str] | None, fetch: int
) -> list[DirectoryFacility]:
    key = UUID(after[0]) if after else None
    return await rows.all(LIST, **wanted.parameters(), after=key, fetch=fetch)


async def put(uow: UnitOfWork, facility: Facility, hospital_name: str) -> DirectoryFacility:
    """Show ``facility`` to everybody as it now stands."""
    entry = DirectoryFacility(
        facility_id=facility.id,
        hospital_id=facility.hospital_id,
        hospital_name=hospital_name,
        name=facility.name,
        type=facility.type,
        address=facility.address,
        city=facility.city,
        state=facility.state,
        zip_code=facility.zip_code,
        latitude=facility.latitude,
        longitude=facility.longitude,
        capabilities=facility.capabilities,
        is_active=facility.is_active,
        facility_version=facility.row_version,
    )
    await uow.execute(PUT, **columns(entry))
    return entry
