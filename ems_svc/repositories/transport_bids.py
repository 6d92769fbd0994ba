"""Bids, between rows and rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import ARRAY, Text, any_, bindparam, cast, insert, or_, select, update
from sqlalchemy import Uuid as UuidType

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key, written
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import BidStatus
from ems_svc.domain.events import BidClosed
from ems_svc.domain.transport_bids import BidExists, TransportBid
from ems_svc.tables import transport_bid as table

NEWEST = UUID(int=2**128 - 1)  # no id lies behind it

_of_agency = table.c.agency_id == bindparam("agency_id")
_pending = table.c.status == BidStatus.PENDING

GET = compiled(select(table).where(same_key(table)), into=TransportBid)
EACH = compiled(select(table).where(_of_agency), into=TransportBid)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=TransportBid)
LIVE = compiled(
    select(table).where(
        _of_agency,
        table.c.transport_request_id == bindparam("transport_request_id"),
        table.c.status == any_(bindparam("live", type_=ARRAY(Text))),
    ),
    into=TransportBid,
)
LOCK_PENDING = compiled(
    select(table)
    .where(_of_agency, _pending, table.c.transport_request_id == bindparam("transport_request_id"))
    .with_for_update(),
    into=TransportBid,
)
LOCK_ALL_PENDING = compiled(
    select(table).where(_of_agency, _pending).order_by(table.c.id).with_for_update(),
    into=TransportBid,
)
LOCK_FREE = compiled(
    select(table).where(same_key(table)).with_for_update(skip_locked=True), into=TransportBid
)
LAPSED = written(
    "SELECT agency_id, id, expires_at FROM due_bids(%(before_at)s, %(fetch)s)",
    lambda *each: each,
)
ADD = compiled(insert(table))
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
_trip = cast(bindparam("transport_request_id"), UuidType)
NAMED = compiled(
    select(table).where(_of_agency, table.c.id == any_(bindparam("ids", type_=ARRAY(UuidType)))),
    into=TransportBid,
)
LIST = compiled(
    select(table)
    .where(
        _of_agency,
        table.c.id < bindparam("before"),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(_trip.is_(None), table.c.transport_request_id == _trip),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("limit")),
    into=TransportBid,
)


def each(uow: UnitOfWork, agency_id: UUID) -> AsyncGenerator[TransportBid, None]:
    """Yield all of an agency's bids, one by one."""
    return uow.each(EACH, agency_id=agency_id)


async def find(rows: Rows, agency_id: UUID, id: UUID) -> TransportBid | None:
    return await rows.optional(GET, agency_id=agency_id, id=id)


async def get(rows: Rows, agency_id: UUID, id: UUID) -> TransportBid:
    return _found(await find(rows, agency_id, id), id)


async def lock_if_known(uow: UnitOfWork, agency_id: UUID, id: UUID) -> TransportBid | None:
    return await uow.optional(LOCK, agency_id=agency_id, id=id)


async def lock(uow: UnitOfWork, agency_id: UUID, id: UUID) -> TransportBid:
    """Read a bid and hold its row until the transaction ends."""
    return _found(await lock_if_known(uow, agency_id, id), id)


async def lock_free(uow: UnitOfWork, agency_id: UUID, id: UUID) -> TransportBid | None:
    """Lock a bid; None while another transaction holds it, which may be deciding about it."""
    return await uow.optional(LOCK_FREE, agency_id=agency_id, id=id)


async def add(uow: UnitOfWork, bid: TransportBid) -> None:
    """Add a bid; raises BidExists when the agency has a live one on the trip.

    It is looked for first, so that the refusal can name it; the unique index decides races.
    """
    live = await uow.optional(
        LIVE,
        agency_id=bid.agency_id,
        transport_request_id=bid.transport_request_id,
        live=[BidStatus.PENDING, BidStatus.ACCEPTED],
    )
    if live is not None:
        raise BidExists(
            "the agency has a live bid on the trip", resource="transport_bid", id=str(live.id)
        )
    with _only_live():
        await uow.execute(ADD, **columns(bid))


async def save(uow: UnitOfWork, bid: TransportBid) -> None:
    await uow.execute(SAVE, **columns(bid))


async def close_pending(
    uow: UnitOfWork, agency_id: UUID, transport_request_id: UUID, status: BidStatus, at: datetime
) -> list[BidClosed]:
    """Decide an agency's undecided bid on a trip, if it has one."""
    known = {"agency_id": agency_id, "transport_request_id": transport_request_id}
    return await _close(uow, await uow.all(LOCK_PENDING, **known), status, at)


async def close_of_agency(
    uow: UnitOfWork, agency_id: UUID, status: BidStatus, at: datetime
) -> list[BidClosed]:
    """Decide every undecided bid of one agency."""
    return await _close(uow, await uow.all(LOCK_ALL_PENDING, agency_id=agency_id), status, at)


async def list_lapsed(
    rows: Rows, *, before_at: datetime, fetch: int
) -> list[tuple[UUID, UUID, datetime]]:
    """Return the undecided bids that lapsed ``before_at``: agency, bid, when it lapsed.

    Of every agency, the oldest first; not those whose award waits for the agency's answer.
    """
    return await rows.all(LAPSED, before_at=before_at, fetch=fetch)


async def list_named(rows: Rows, agency_id: UUID, ids: Sequence[UUID]) -> list[TransportBid]:
    """Return the agency's bids among ``ids``, in any order."""
    return await rows.all(NAMED, agency_id=agency_id, ids=list(ids))


async def list_newest(
    rows: Rows,
    agency_id: UUID,
    *,
    statuses: Sequence[str],
    transport_request_id: UUID | None,
    before: UUID,
    limit: int,
) -> list[TransportBid]:
    return await rows.all(
        LIST,
        agency_id=agency_id,
        statuses=list(statuses),
        transport_request_id=transport_request_id,
        before=before,
        limit=limit,
    )


async def _close(
    uow: UnitOfWork, bids: Sequence[TransportBid], status: BidStatus, at: datetime
) -> list[BidClosed]:
    events = []
    for bid in bids:
        closed, event = bid.close(status, at)
        await save(uow, closed)
        events.append(event)
    return events


def _found(bid: TransportBid | None, id: UUID) -> TransportBid:
    if bid is None:  # the same answer for another agency's: that it exists is not leaked
        raise NotFound(f"bid {id} does not exist", resource="transport_bid", id=str(id))
    return bid


@contextmanager
def _only_live() -> Iterator[None]:
    try:
        yield
    except UniqueViolation as taken:
        if taken.diag.constraint_name != "transport_bid_live":
            raise
        raise BidExists("the agency has a live bid on the trip") from taken
