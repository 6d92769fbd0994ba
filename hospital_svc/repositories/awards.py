"""The hospital's awards: at most one holds per trip."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.awards import Award, AwardState
from hospital_svc.tables import award as table

GET = compiled(select(table).where(same_key(table)), into=Award)
_writing = insert(table).values({column.key: bindparam(column.key) for column in table.c})
ADD = compiled(_writing)
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
UNANSWERED = compiled(
    select(table.c.transport_request_id)
    .where(
        table.c.hospital_id == bindparam("hospital_id"),
        table.c.state == AwardState.TENTATIVE,
        table.c.confirm_deadline_at < bindparam("before_at"),
    )
    .order_by(table.c.confirm_deadline_at)
    .limit(bindparam("fetch")),
    into=lambda each: each,
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
    rows: Rows, hospital_id: UUID, *, before_at: datetime, fetch: int
) -> list[UUID]:
    """Return the trips whose award EMS should have answered before ``before_at``."""
    return await rows.all(UNANSWERED, hospital_id=hospital_id, before_at=before_at, fetch=fetch)
