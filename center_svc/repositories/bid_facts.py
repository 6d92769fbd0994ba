"""What agencies offered, one row per bid; only a greater version changes one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.bid_facts import BidFact
from center_svc.domain.trip_facts import TripKey
from center_svc.repositories import stale_buckets
from center_svc.tables import bid_fact as table
from chassis.sql import columns, compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import BidStatus

_NEWER = table.c.bid_version < bindparam("bid_version")
_PUT = insert(table)
PUT = compiled(
    _PUT.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: _PUT.excluded[name] for name in ("bid_amount", "status", "bid_version")},
        where=table.c.bid_version < _PUT.excluded.bid_version,
    )
)
CLOSE = compiled(
    update(table)
    .where(same_key(table), _NEWER)
    .values(status=bindparam("status"), bid_version=bindparam("bid_version"))
)
_OLDEST = func.min(table.c.submitted_at)
FIRST = compiled(
    select(_OLDEST).where(
        table.c.hospital_id == bindparam("hospital_id"),
        table.c.transport_request_id == bindparam("transport_request_id"),
        table.c.submitted_at >= bindparam("since"),
    ),
    into=lambda at: at,
)


async def put(uow: UnitOfWork, bid: BidFact) -> None:
    """Keep a bid as it stands now."""
    if await uow.execute(PUT, **columns(bid)):
        await stale_buckets.note_trip(uow, bid.hospital_id, bid.transport_request_id)


async def close(
    uow: UnitOfWork, agency_id: UUID, bid_id: UUID, status: BidStatus, version: int
) -> None:
    """Note how a bid ended, or that it won."""
    await uow.execute(CLOSE, agency_id=agency_id, bid_id=bid_id, status=status, bid_version=version)


async def first_at(rows: Rows, key: TripKey, since: datetime) -> datetime | None:
    """Return when the first bid on a trip since a moment was made, as far as EMS was heard."""
    at: datetime | None = await rows.optional(FIRST, **columns(key), since=since)
    return at
