"""Jobs, between rows and rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, cast, insert, or_, select, update
from sqlalchemy import Uuid as UuidType

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.assignments import Assignment
from ems_svc.tables import assignment as table

_of_agency = table.c.agency_id == bindparam("agency_id")
_by_award = table.c.award_token == bindparam("award_token")
_live = table.c.released_at.is_(None)

GET = compiled(select(table).where(same_key(table)), into=Assignment)
EACH = compiled(select(table).where(_of_agency), into=Assignment)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=Assignment)
LOCK_AWARD = compiled(select(table).where(_of_agency, _by_award).with_for_update(), into=Assignment)
LOCK_LIVE_OF_UNIT = compiled(
    select(table)
    .where(_of_agency, _live, table.c.unit_id == bindparam("unit_id"))
    .with_for_update(),
    into=Assignment,
)
ADD = compiled(insert(table))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
_trip = cast(bindparam("transport_request_id"), UuidType)
_unit = cast(bindparam("unit_id"), UuidType)
NAMED = compiled(
    select(table).where(_of_agency, table.c.id == any_(bindparam("ids", type_=ARRAY(UuidType)))),
    into=Assignment,
)
LIST = compiled(
    select(table)
    .where(
        _of_agency,
        table.c.id < bindparam("before"),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(_trip.is_(None), table.c.transport_request_id == _trip),
        or_(_unit.is_(None), table.c.unit_id == _unit),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("limit")),
    into=Assignment,
)


def each(uow: UnitOfWork, agency_id: UUID) -> AsyncGenerator[Assignment, None]:
    """Yield all of an agency's jobs, ended ones included, one by one."""
    return uow.each(EACH, agency_id=agency_id)


async def get(rows: Rows, agency_id: UUID, id: UUID) -> Assignment:
    job = await rows.optional(GET, agency_id=agency_id, id=id)
    return found(job, id)


async def lock(uow: UnitOfWork, agency_id: UUID, id: UUID) -> Assignment:
    """Read a job and hold its row until the transaction ends."""
    job = await uow.optional(LOCK, agency_id=agency_id, id=id)
    return found(job, id)


async def lock_award(uow: UnitOfWork, agency_id: UUID, award_token: UUID) -> Assignment | None:
    """Hold the job that an award became; None when it became none."""
    return await uow.optional(LOCK_AWARD, agency_id=agency_id, award_token=award_token)


async def lock_of_unit(uow: UnitOfWork, agency_id: UUID, unit_id: UUID) -> Assignment | None:
    """Hold the job that a unit is on, if any."""
    return await uow.optional(LOCK_LIVE_OF_UNIT, agency_id=agency_id, unit_id=unit_id)


async def add(uow: UnitOfWork, job: Assignment) -> None:
    await uow.execute(ADD, **columns(job))


async def save(uow: UnitOfWork, job: Assignment) -> None:
    await uow.execute(SAVE, **columns(job))


async def list_named(rows: Rows, agency_id: UUID, ids: Sequence[UUID]) -> list[Assignment]:
    """Return the agency's jobs among ``ids``, in any order."""
    return await rows.all(NAMED, agency_id=agency_id, ids=list(ids))


async def list_newest(
    rows: Rows,
    agency_id: UUID,
    *,
    statuses: Sequence[str],
    transport_request_id: UUID | None,
    unit_id: UUID | None,
    before: UUID,
    limit: int,
) -> list[Assignment]:
    return await rows.all(
        LIST,
        agency_id=agency_id,
        statuses=list(statuses),
        transport_request_id=transport_request_id,
        unit_id=unit_id,
        before=before,
        limit=limit,
    )


def found(job: Assignment | None, id: UUID) -> Assignment:
    """Return ``job``; raises NotFound, in the same words for another agency's or another crew's."""
    if job is None:
        raise NotFound(f"assignment {id} does not exist", resource="assignment", id=str(id))
    return job
