"""Units, and the one statement by which a unit is booked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import (
    ARRAY,
    Boolean,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import Uuid as UuidType

from chassis.errors import NotFound
from chassis.sql import columns, compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import UnitStatus
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.levels import RANKS
from ems_svc.domain.units import Unit, UnitNumberTaken
from ems_svc.tables import changed_values, new_values, stored
from ems_svc.tables import unit as table
from ems_svc.tables import unit_availability as interval

_of_agency = table.c.agency_id == bindparam("agency_id")

GET = compiled(select(*stored(table)).where(same_key(table)), into=Unit)
EACH = compiled(select(*stored(table)).where(_of_agency), into=Unit)
LOCK = compiled(select(*stored(table)).where(same_key(table)).with_for_update(), into=Unit)
ADD = compiled(insert(table).values(new_values(table)))
SAVE = compiled(update(table).where(same_key(table)).values(changed_values(table)))
ACTIVE = compiled(
    select(*stored(table)).where(_of_agency, table.c.is_active).order_by(table.c.id), into=Unit
)
LIST = compiled(
    select(*stored(table))
    .where(
        _of_agency,
        table.c.id > bindparam("after"),
        table.c.current_status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(table.c.is_active, bindparam("include_retired", type_=Boolean)),
        or_(
            cast(bindparam("only"), UuidType).is_(None),
            table.c.id == cast(bindparam("only"), UuidType),
        ),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit")),
    into=Unit,
)
NAMED = compiled(
    select(*stored(table)).where(
        _of_agency, table.c.id == any_(bindparam("ids", type_=ARRAY(UuidType)))
    ),
    into=Unit,
)
_now = func.clock_timestamp()
# The last interval that has begun: a shift that is not over. None has: not limited.
_is_shift = (
    select(
        and_(
            interval.c.status == UnitStatus.AVAILABLE,
            func.coalesce(interval.c.end_at > _now, true()),
        )
    )
    .where(
        interval.c.agency_id == table.c.agency_id,
        interval.c.unit_id == table.c.id,
        interval.c.start_at <= _now,
    )
    .order_by(interval.c.start_at.desc())
    .limit(1)
    .scalar_subquery()
)
# Everything that makes a unit bookable stands in the statement that books it: of twenty jobs
# that want one unit, nineteen change no row.
BOOK = compiled(
    update(table)
    .where(
        same_key(table),
        table.c.current_status == UnitStatus.AVAILABLE,
        table.c.is_active,
        table.c.effective_level_rank >= bindparam("rank"),
        table.c.capabilities.bool_op("@>")(bindparam("required", type_=ARRAY(Text))),
        func.coalesce(table.c.shift_start_at <= _now, true()),
        func.coalesce(table.c.shift_end_at > _now, true()),
        func.coalesce(_is_shift, true()),
    )
    .values(
        current_status=UnitStatus.RESERVED,
        current_assignment_id=bindparam("job"),
        updated_at=bindparam("at"),
        row_version=table.c.row_version + 1,
    )
    .returning(*stored(table)),
    into=Unit,
)


def each(uow: UnitOfWork, agency_id: UUID) -> AsyncGenerator[Unit, None]:
    """Yield an agency's units, retired ones included, one by one."""
    return uow.each(EACH, agency_id=agency_id)


async def get(rows: Rows, agency_id: UUID, id: UUID) -> Unit:
    unit = await rows.optional(GET, agency_id=agency_id, id=id)
    return _found(unit, id)


async def lock(uow: UnitOfWork, agency_id: UUID, id: UUID) -> Unit:
    """Read a unit and hold its row until the transaction ends."""
    unit = await uow.optional(LOCK, agency_id=agency_id, id=id)
    return _found(unit, id)


async def add(uow: UnitOfWork, unit: Unit) -> None:
    """Add a unit; raises UnitNumberTaken."""
    with _number_is_free():
        await uow.execute(ADD, **columns(unit))


async def save(uow: UnitOfWork, unit: Unit) -> None:
    """Write back a unit read with ``lock`` or ``book``; raises UnitNumberTaken."""
    with _number_is_free():
        await uow.execute(SAVE, **columns(unit))


async def book(uow: UnitOfWork, job: Assignment, unit_id: UUID, at: datetime) -> Unit:
    """Reserve a free, fitting unit for ``job``, whose row the caller holds.

    Raises NotFound, UnitRetired, UnitNotAvailable, UnitUnsuitable or UnitOffShift, and changes
    nothing then.
    """
    level, required = job.transport_level, job.required_capabilities
    # Its shift may be ending right now, in another table: only a statement that begins after the
    # wait for the row sees that.
    unit = await lock(uow, job.agency_id, unit_id)
    booked = await uow.optional(
        BOOK,
        agency_id=job.agency_id,
        id=unit_id,
        rank=RANKS[level],
        required=required,
        job=job.id,
        at=at,
    )
    if booked is None:
        raise unit.not_booked(level, required)
    return booked


async def relieve(
    uow: UnitOfWork, job: Assignment, unit_id: UUID, at: datetime
) -> tuple[Unit, Unit]:
    """Hold the unit of ``job``, and book the one that takes its place; raises as ``book`` does.

    In the order of ids: two jobs that want each other's unit do not wait in a circle.
    """
    old_id = job.must_swap()
    held = {id: await lock(uow, job.agency_id, id) for id in sorted({old_id, unit_id})}
    return held[old_id], await book(uow, job, unit_id, at)


async def active(rows: Rows, agency_id: UUID) -> list[Unit]:
    """Return the units in use; an agency has dozens."""
    return await rows.all(ACTIVE, agency_id=agency_id)


async def list_named(rows: Rows, agency_id: UUID, ids: Sequence[UUID]) -> list[Unit]:
    """Return the units that there are of ``ids``, retired ones included, in any order."""
    return await rows.all(NAMED, agency_id=agency_id, ids=list(ids))


async def list_by_id(
    rows: Rows,
    agency_id: UUID,
    *,
    statuses: Sequence[str],
    include_retired: bool,
    only: UUID | None,
    after: UUID,
    limit: int,
) -> list[Unit]:
    """Return units by id; ``only`` narrows the list to the one that a crew staffs."""
    return await rows.all(
        LIST,
        agency_id=agency_id,
        statuses=list(statuses),
        include_retired=include_retired,
        only=only,
        after=after,
        limit=limit,
    )


def not_found(id: UUID) -> NotFound:
    """Make the same answer for another agency's unit: that it exists is not leaked."""
    return NotFound(f"unit {id} does not exist", resource="unit", id=str(id))


def _found(unit: Unit | None, id: UUID) -> Unit:
    if unit is None:
        raise not_found(id)
    return unit


@contextmanager
def _number_is_free() -> Iterator[None]:
    try:
        yield
    except UniqueViolation as taken:
        if taken.diag.constraint_name != "unit_number_once":
            raise
        raise UnitNumberTaken("another active unit of the agency has the number") from taken
