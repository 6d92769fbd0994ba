"""The hospital's awards: at most one holds per trip."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns, same_key, written
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.awards import Award, AwardState
from hospital_svc.tables import award as table

GET = compiled(select(table).where(same_key(table)), into=Award)
_writing = insert(table).values({column.key: bindparam(column.key) for column in table.c})
ADD = compiled(_writing)
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
UNANSWERED = written(
    "SELECT hospital_id, transport_request_id, confirm_deadline_at"
    " FROM due_awards(%(before_at)s, %(fetch)s)",
    lambda *each: each,
)


async def find(rows: Rows, hospital_id: UUID, id: UUID | None) -> Award | None:
    """Read an award; its trip's row is the lock that its changes are made under."""
    if id is None:
        return None
    return await rows.optional(GET, hospital_id=hospital_id, id=id)


async def put(uow: UnitOfWork, award: Award) -> None:
    """Add a new award, or write back a decided one."""
    is_new = award.state is AwardState.TENTATIVE
    await uow.execute(ADD if is_new else SAVE, **columns(award))


async def list_unanswered(
    rows: Rows, *, before_at: datetime, fetch: int
) -> list[tuple[UUID, UUID, datetime]]:
    """Return what EMS should have answered before ``before_at``: hospital, trip, deadline.

    Of every hospital, the oldest first.
    """
    return await rows.all(UNANSWERED, before_at=before_at, fetch=fetch)
