"""What became of a trip, step by step; rows are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from chassis import ids
from chassis.sql import compiled
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.transport_requests import Step, TransportRequest
from hospital_svc.domain.trip_history import TripHistory
from hospital_svc.tables import trip_history as table

_of_trip = (
    table.c.hospital_id == bindparam("hospital_id"),
    table.c.transport_request_id == bindparam("transport_request_id"),
)
_next = select(func.coalesce(func.max(table.c.sequence), 0) + 1).where(*_of_trip).scalar_subquery()
_given = (
    "hospital_id",
    "id",
    "transport_request_id",
    "status",
    "occurred_at",
    "notes",
    "updated_by",
    "actor_kind",
    "source_event_id",
    "is_conflict",
)
# The trip's row is locked, so nobody else takes the same number meanwhile.
ADD = compiled(
    insert(table).values({name: bindparam(name) for name in _given} | {"sequence": _next})
)
KNOWS = compiled(
    select(exists().where(*_of_trip, table.c.source_event_id == bindparam("source_event_id"))),
    into=lambda found: found,
)
LIST = compiled(
    select(table)
    .where(*_of_trip, table.c.sequence > bindparam("after"))
    .order_by(table.c.sequence)
    .limit(bindparam("fetch")),
    into=TripHistory,
)


async def add(uow: UnitOfWork, trip: TransportRequest, step: Step) -> None:
    """Add a step to a trip whose row this transaction holds."""
    await uow.execute(
        ADD,
        hospital_id=trip.hospital_id,
        id=ids.new(),
        transport_request_id=trip.id,
        status=step.status,
        occurred_at=step.occurred_at,
        notes=step.notes,
        updated_by=step.actor.user_id,
        actor_kind=step.actor.kind,
        source_event_id=step.actor.event_id,
        is_conflict=step.is_conflict,
    )


async def add_once(uow: UnitOfWork, trip: TransportRequest, step: Step) -> None:
    """Add a step that an event made, unless that event has made it already."""
    event_id = step.actor.event_id
    known = {"hospital_id": trip.hospital_id, "transport_request_id": trip.id}
    if not await uow.one(KNOWS, **known, source_event_id=event_id):
        await add(uow, trip, step)


async def list_of(
    rows: Rows, hospital_id: UUID, trip_id: UUID, *, after: Sequence[str] | None, fetch: int
) -> list[TripHistory]:
    return await rows.all(
        LIST,
        hospital_id=hospital_id,
        transport_request_id=trip_id,
        after=int(after[0]) if after else 0,
        fetch=fetch,
    )
