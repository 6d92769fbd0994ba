"""The row per trip that is locked before anything is decided about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.tables import offered_trip as table

GET = compiled(select(table).where(same_key(table)), into=OfferedTrip)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=OfferedTrip)
HOLD = compiled(select(table).where(same_key(table)).with_for_update(read=True), into=OfferedTrip)
LOCK_FREE = compiled(
    select(table).where(same_key(table)).with_for_update(skip_locked=True), into=OfferedTrip
)
HOLD_FREE = compiled(
    select(table).where(same_key(table)).with_for_update(read=True, skip_locked=True),
    into=OfferedTrip,
)
ADD = compiled(insert(table).on_conflict_do_nothing())
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
HOLD_OPEN = compiled(
    select(table)
    .where(table.c.state == OfferState.OPEN)
    .order_by(table.c.hospital_id, table.c.transport_request_id)
    .with_for_update(read=True),
    into=OfferedTrip,
)
_awaiting = (
    select(table)
    .where(
        table.c.awarded_agency_id == bindparam("agency_id"),
        table.c.confirm_deadline_at.is_not(None),
    )
    .order_by(table.c.hospital_id, table.c.transport_request_id)  # as all that lock more than one
)
AWAITING = compiled(_awaiting, into=OfferedTrip)
LOCK_AWAITING = compiled(_awaiting.with_for_update(), into=OfferedTrip)
UNANSWERED = compiled(
    select(
        table.c.hospital_id,
        table.c.transport_request_id,
        table.c.awarded_agency_id,
        table.c.award_token,
        table.c.confirm_deadline_at,
    )
    .where(table.c.confirm_deadline_at < bindparam("before_at"))
    .order_by(table.c.confirm_deadline_at)
    .limit(bindparam("fetch")),
    into=lambda *each: each,
)


async def find(rows: Rows, hospital_id: UUID, transport_request_id: UUID) -> OfferedTrip | None:
    return await rows.optional(
        GET, hospital_id=hospital_id, transport_request_id=transport_request_id
    )


async def lock(
    uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID
) -> OfferedTrip | None:
    """Read a trip and hold its row until the transaction ends; None when it is not known."""
    return await uow.optional(
        LOCK, hospital_id=hospital_id, transport_request_id=transport_request_id
    )


async def lock_older(
    uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID, version: int
) -> OfferedTrip | None:
    """Lock a trip to bring it to ``version``; None when it is there already, or not known."""
    trip = await lock(uow, hospital_id, transport_request_id)
    if trip is None or version <= trip.trip_version:
        return None
    return replace(trip, trip_version=version)


async def hold(
    uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID
) -> OfferedTrip | None:
    """Keep a trip from being decided while a bid on it is made; others may bid meanwhile."""
    return await uow.optional(
        HOLD, hospital_id=hospital_id, transport_request_id=transport_request_id
    )


async def lock_free(
    uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID
) -> OfferedTrip | None:
    """Lock a trip; None while another transaction holds it, which may be deciding about it."""
    return await uow.optional(
        LOCK_FREE, hospital_id=hospital_id, transport_request_id=transport_request_id
    )


async def hold_free(
    uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID
) -> OfferedTrip | None:
    """Keep a trip from being decided; None while somebody may be deciding about it."""
    return await uow.optional(
        HOLD_FREE, hospital_id=hospital_id, transport_request_id=transport_request_id
    )


async def add(uow: UnitOfWork, trip: OfferedTrip) -> bool:
    """Add a trip; False when it is here already."""
    return await uow.execute(ADD, **columns(trip)) == 1


async def save(uow: UnitOfWork, trip: OfferedTrip) -> None:
    await uow.execute(SAVE, **columns(trip))


async def hold_open(uow: UnitOfWork) -> list[OfferedTrip]:
    """Keep every trip that takes bids from being decided while they are matched anew.

    Comes before any lock on agencies, jobs, units and bids.
    """
    return await uow.all(HOLD_OPEN)


async def awaiting(rows: Rows, agency_id: UUID) -> list[OfferedTrip]:
    """Return the trips whose award one agency has yet to answer by hand."""
    return await rows.all(AWAITING, agency_id=agency_id)


async def lock_awaiting(uow: UnitOfWork, agency_id: UUID) -> list[OfferedTrip]:
    """Lock the trips whose award one agency has yet to answer by hand."""
    return await uow.all(LOCK_AWAITING, agency_id=agency_id)


async def list_unanswered(
    rows: Rows, *, before_at: datetime, fetch: int
) -> list[tuple[UUID, UUID, UUID, UUID, datetime]]:
    """Return the awards that should have been answered by hand ``before_at``, the oldest first.

    Of each: hospital, trip, agency, award token, deadline.
    """
    return await rows.all(UNANSWERED, before_at=before_at, fetch=fetch)
