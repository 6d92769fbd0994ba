"""Where units were: what is kept of the positions they reported."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, cast, delete, insert, or_, select

from chassis.sql import columns, compiled
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.unit_locations import PastLocation, UnitLocation
from ems_svc.tables import unit_location_history as table

_moment = table.c.fix_at.type
_of_agency = table.c.agency_id == bindparam("agency_id")
_of_unit = and_(_of_agency, table.c.unit_id == bindparam("unit_id"))
_newest_first = select(table).where(_of_unit).order_by(table.c.fix_at.desc())

LAST = compiled(_newest_first.limit(1), into=PastLocation)
ADD = compiled(insert(table))
FORGET = compiled(delete(table).where(_of_agency, table.c.fix_at < bindparam("before_at")))
_since, _until = (cast(bindparam(name), _moment) for name in ("since_at", "until_at"))
LIST = compiled(
    _newest_first.where(
        table.c.fix_at < bindparam("before_at"),
        or_(_since.is_(None), table.c.fix_at >= _since),
        or_(_until.is_(None), table.c.fix_at < _until),
    ).limit(bindparam("limit")),
    into=PastLocation,
)


async def keep(uow: UnitOfWork, location: UnitLocation) -> bool:
    """Keep where a unit is, whose row of today the caller holds; False when it is no news."""
    known = await uow.optional(LAST, agency_id=location.agency_id, unit_id=location.unit_id)
    if not location.is_news_after(known):
        return False
    await uow.execute(ADD, **columns(location.past))
    return True


async def forget(uow: UnitOfWork, agency_id: UUID, before_at: datetime) -> int:
    """Delete an agency's positions from before a moment; return how many."""
    return await uow.execute(FORGET, agency_id=agency_id, before_at=before_at)


async def list_newest(
    rows: Rows,
    agency_id: UUID,
    unit_id: UUID,
    *,
    since_at: datetime | None,
    until_at: datetime | None,
    before_at: datetime,
    limit: int,
) -> list[PastLocation]:
    return await rows.all(
        LIST,
        agency_id=agency_id,
        unit_id=unit_id,
        since_at=since_at,
        until_at=until_at,
        before_at=before_at,
        limit=limit,
    )
