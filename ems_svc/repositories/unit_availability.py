"""When units may work, interval by interval; whoever writes one holds the unit's row.

At most one interval of a unit is written without an end: it lasts until the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from psycopg.errors import ExclusionViolation
from sqlalchemy import (
    ARRAY,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy import Uuid as UuidType

from chassis import ids
from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.unit_availability import (
    UnitAvailability,
    UnitAvailabilityOverlaps,
    create,
)
from ems_svc.domain.units import Unit
from ems_svc.tables import unit_availability as table

_other = table.alias("other")
_moment = table.c.start_at.type
_at = bindparam("at", type_=_moment)
_of_agency = table.c.agency_id == bindparam("agency_id")
_of_unit = and_(_of_agency, table.c.unit_id == bindparam("unit_id"))
_later = and_(
    _other.c.agency_id == table.c.agency_id,
    _other.c.unit_id == table.c.unit_id,
    _other.c.start_at > table.c.start_at,
)

GET = compiled(select(table).where(same_key(table)), into=UnitAvailability)
ADD = compiled(insert(table))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
REMOVE = compiled(delete(table).where(same_key(table)))
FORGET = compiled(delete(table).where(_of_unit, table.c.start_at > _at))
# An interval of no length is refused: two changes in one instant are a microsecond apart.
CLOSE = compiled(
    update(table)
    .where(
        _of_unit, or_(table.c.end_at.is_(None), and_(table.c.start_at <= _at, table.c.end_at > _at))
    )
    .values(
        end_at=func.greatest(
            func.least(_at, select(func.min(_other.c.start_at)).where(_later).scalar_subquery()),
            table.c.start_at + text("interval '1 microsecond'"),
        ),
        updated_at=bindparam("at"),
        row_version=table.c.row_version + 1,
    )
    .returning(table.c.end_at),
    into=lambda end_at: end_at,
)
# Two intervals share time when one begins while the other lasts, or both go on without an end.
_start, _end = bindparam("start_at", type_=_moment), bindparam("end_at", type_=_moment)
OVERLAPPING = compiled(
    select(table.c.id)
    .where(
        _of_unit,
        table.c.id != bindparam("id"),
        or_(
            table.c.start_at == _start,
            and_(table.c.start_at < _start, table.c.end_at > _start),
            and_(table.c.start_at > _start, table.c.start_at < cast(_end, _moment)),
            and_(table.c.end_at.is_(None), cast(_end, _moment).is_(None)),
        ),
    )
    .limit(1),
    into=lambda found: found,
)
# One look into the index per unit: years of history lie before the last interval.
_wanted = (
    func.unnest(bindparam("unit_ids", type_=ARRAY(UuidType))).table_valued("id").render_derived()
)
_last_begun = (
    select(table)
    .where(_of_agency, table.c.unit_id == _wanted.c.id, table.c.start_at <= _at)
    .order_by(table.c.start_at.desc())
    .limit(1)
    .lateral("begun")
)
BEGUN = compiled(
    select(_last_begun).select_from(_wanted.join(_last_begun, true())), into=UnitAvailability
)
_unit = cast(bindparam("unit_id"), UuidType)
_since, _until = (cast(bindparam(name), _moment) for name in ("since_at", "until_at"))
_lasts = or_(
    table.c.end_at > _since,
    and_(table.c.end_at.is_(None), ~exists().where(_later, _other.c.start_at <= _since)),
)
LIST = compiled(
    select(table)
    .where(
        _of_agency,
        tuple_(table.c.start_at, table.c.id)
        < tuple_(bindparam("before_at", type_=_moment), bindparam("before")),
        or_(_unit.is_(None), table.c.unit_id == _unit),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(_until.is_(None), table.c.start_at < _until),
        or_(_since.is_(None), _lasts),
    )
    .order_by(table.c.start_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    into=UnitAvailability,
)


async def get(rows: Rows, agency_id: UUID, id: UUID) -> UnitAvailability:
    interval = await rows.optional(GET, agency_id=agency_id, id=id)
    if interval is None:
        raise not_found(id)
    return interval


async def add(uow: UnitOfWork, interval: UnitAvailability) -> None:
    """Add an interval; raises UnitAvailabilityOverlaps."""
    await _must_stand_alone(uow, interval)
    with _apart():
        await uow.execute(ADD, **columns(interval))


async def save(uow: UnitOfWork, interval: UnitAvailability) -> None:
    """Write back an interval; raises UnitAvailabilityOverlaps."""
    await _must_stand_alone(uow, interval)
    with _apart():
        await uow.execute(SAVE, **columns(interval))


async def remove(uow: UnitOfWork, interval: UnitAvailability) -> None:
    await uow.execute(REMOVE, agency_id=interval.agency_id, id=interval.id)


async def turn(uow: UnitOfWork, unit: Unit, notes: str | None, at: datetime) -> None:
    """End the current interval of a unit and begin the next, with the status it has now."""
    ends = await uow.all(CLOSE, agency_id=unit.agency_id, unit_id=unit.id, at=at)
    following = create(
        unit.agency_id,
        ids.new(),
        at,
        unit_id=unit.id,
        status=unit.current_status,
        start_at=max([at, *ends]),
        end_at=None,
        notes=notes,
    )
    await uow.execute(ADD, **columns(following))


async def close(uow: UnitOfWork, agency_id: UUID, unit_id: UUID, at: datetime) -> None:
    """End the current interval of a unit that works no more, and forget what was planned."""
    await uow.execute(FORGET, agency_id=agency_id, unit_id=unit_id, at=at)
    await uow.all(CLOSE, agency_id=agency_id, unit_id=unit_id, at=at)


async def begun(
    rows: Rows, agency_id: UUID, unit_ids: Sequence[UUID], at: datetime
) -> dict[UUID, UnitAvailability]:
    """Return the last interval of each unit that has begun by ``at``, be it over or not."""
    found = await rows.all(BEGUN, agency_id=agency_id, unit_ids=list(unit_ids), at=at)
    return {interval.unit_id: interval for interval in found}


async def list_latest(
    rows: Rows,
    agency_id: UUID,
    *,
    unit_id: UUID | None,
    statuses: Sequence[str],
    since_at: datetime | None,
    until_at: datetime | None,
    before: tuple[datetime, UUID],
    limit: int,
) -> list[UnitAvailability]:
    """Return intervals that hold a moment of ``since_at`` to ``until_at``, the latest first."""
    before_at, id = before
    return await rows.all(
        LIST,
        agency_id=agency_id,
        unit_id=unit_id,
        statuses=list(statuses),
        since_at=since_at,
        until_at=until_at,
        before_at=before_at,
        before=id,
        limit=limit,
    )


def not_found(id: UUID) -> NotFound:
    """Make the same answer for another agency's: that it exists is not leaked."""
    text = f"unit availability {id} does not exist"
    return NotFound(text, resource="unit_availability", id=str(id))


async def _must_stand_alone(uow: UnitOfWork, interval: UnitAvailability) -> None:
    other = await uow.optional(
        OVERLAPPING,
        agency_id=interval.agency_id,
        unit_id=interval.unit_id,
        id=interval.id,
        start_at=interval.start_at,
        end_at=interval.end_at,
    )
    if other is not None:
        raise UnitAvailabilityOverlaps(
            "the unit has another interval in that time", unit_availability_id=str(other)
        )


@contextmanager
def _apart() -> Iterator[None]:
    """Say in the rule's words what the net below it caught."""
    try:
        yield
    except ExclusionViolation as overlap:
        if overlap.diag.constraint_name != "unit_availability_apart":
            raise
        raise UnitAvailabilityOverlaps("the unit has another interval in that time") from overlap
