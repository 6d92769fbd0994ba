"""Grants to see a patient in an emergency, between rows and rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, insert, or_, select, update

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.break_glass_grants import BreakGlassGrant
from hospital_svc.tables import break_glass_grant as table

NEWEST = UUID(int=2**128 - 1)  # no id lies above it
_trip = bindparam("trip", type_=Uuid)
_own = table.c.hospital_id == bindparam("hospital_id")

LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=BreakGlassGrant)
# Shared with other looks, in conflict with the end of the grant: it ends at once.
HOLD_LIVE = compiled(
    select(table)
    .where(
        _own,
        table.c.transport_request_id == _trip,
        table.c.center_user_id == bindparam("center_user_id"),
        table.c.revoked_at.is_(None),
        table.c.expires_at > bindparam("at"),
    )
    .order_by(table.c.expires_at.desc())
    .limit(1)
    .with_for_update(read=True),
    into=BreakGlassGrant,
)
LIST = compiled(
    select(table)
    .where(
        _own,
        table.c.id < bindparam("before"),
        or_(_trip.is_(None), table.c.transport_request_id == _trip),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("fetch")),
    into=BreakGlassGrant,
)
ADD = compiled(insert(table).values({column.key: bindparam(column.key) for column in table.c}))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))


async def lock(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> BreakGlassGrant:
    grant = await uow.optional(LOCK, hospital_id=hospital_id, id=id)
    if grant is None:
        raise NotFound("the grant does not exist", resource="break_glass_grant", id=str(id))
    return grant


async def hold_live(
    uow: UnitOfWork, hospital_id: UUID, trip_id: UUID, center_user_id: UUID, at: datetime
) -> BreakGlassGrant | None:
    """Return the grant by which a coordinator sees a trip's patient; nobody ends it meanwhile."""
    return await uow.optional(
        HOLD_LIVE, hospital_id=hospital_id, trip=trip_id, center_user_id=center_user_id, at=at
    )


async def list_newest(
    rows: Rows,
    hospital_id: UUID,
    trip_id: UUID | None,
    *,
    after: Sequence[str] | None,
    fetch: int,
) -> list[BreakGlassGrant]:
    before = UUID(after[0]) if after else NEWEST
    return await rows.all(LIST, hospital_id=hospital_id, trip=trip_id, before=before, fetch=fetch)


async def add(uow: UnitOfWork, grant: BreakGlassGrant) -> None:
    await uow.execute(ADD, **columns(grant))


async def save(uow: UnitOfWork, grant: BreakGlassGrant) -> None:
    await uow.execute(SAVE, **columns(grant))
