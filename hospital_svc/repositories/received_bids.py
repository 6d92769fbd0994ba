"""The bids that the EMS silo has told this silo about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Integer,
    Numeric,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import BidStatus
from hospital_svc.domain.received_bids import ReceivedBid, Shown
from hospital_svc.tables import agency_directory, hospital_agency_preference
from hospital_svc.tables import received_bid as table

LAST = 2_147_483_647  # an agency without a preference comes after all that have one
FAR = "9999-12-31"
_preference = hospital_agency_preference


def _shown(*row: Any) -> Shown:  # noqa: ANN401 - the columns of SHOWN
    *values, agency_name, order, pickup, amount = row
    fields = dict(zip((column.key for column in table.c), values, strict=True))
    fields["status"] = BidStatus(fields["status"])
    bid = ReceivedBid(**fields)
    return Shown(bid, agency_name, (str(order), str(pickup), str(amount), str(bid.id)))


_order = func.coalesce(_preference.c.preference_order, LAST)
# As text, so that the key survives its way through a page token unchanged.
_pickup = func.coalesce(
    func.to_char(table.c.estimated_pickup_at, 'YYYY-MM-DD"T"HH24:MI:SS.US'), FAR
)
_amount = func.coalesce(table.c.bid_amount, cast(literal("99999999999"), Numeric))


def _select() -> Select[Any]:
    preferred = and_(
        _preference.c.hospital_id == table.c.hospital_id,
        _preference.c.agency_id == table.c.agency_id,
        _preference.c.is_active,
    )
    return (
        select(table, agency_directory.c.name, _order, _pickup, _amount)
        .outerjoin(agency_directory, agency_directory.c.agency_id == table.c.agency_id)
        .outerjoin(_preference, preferred)
    )


_of_trip = and_(
    table.c.hospital_id == bindparam("hospital_id"),
    table.c.transport_request_id == bindparam("transport_request_id"),
)
_after = tuple_(
    bindparam("after_order", type_=Integer),
    bindparam("after_pickup", type_=Text),
    bindparam("after_amount", type_=Numeric),
    bindparam("after_id", type_=Uuid),
)

GET = compiled(select(table).where(same_key(table)), into=ReceivedBid)
SHOW = compiled(_select().where(same_key(table)), into=_shown)
LIST = compiled(
    _select()
    .where(
        _of_trip,
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(
            bindparam("after_order", type_=Integer).is_(None),
            tuple_(_order, _pickup, _amount, table.c.id) > _after,
        ),
    )
    .order_by(_order, _pickup, _amount, table.c.id)
    .limit(bindparam("fetch")),
    into=_shown,
)
HAS_LIVE = compiled(
    select(
        exists().where(
            _of_trip,
            table.c.status == BidStatus.PENDING,
            table.c.expires_at > bindparam("at"),
            table.c.material_version == bindparam("material_version"),
        )
    ),
    into=lambda found: found,
)
_new = insert(table).values({column.key: bindparam(column.key) for column in table.c})
PUT = compiled(
    _new.on_conflict_do_update(
        index_elements=["hospital_id", "id"],
        set_=other_columns(table),
        where=table.c.bid_version < bindparam("bid_version"),
    )
)
CLOSE = compiled(
    update(table)
    .where(same_key(table), table.c.bid_version < bindparam("bid_version"))
    .values(status=bindparam("status"), bid_version=bindparam("bid_version"))
)


def missing(id: UUID) -> NotFound:
    return NotFound("the bid does not exist", resource="received_bid", id=str(id))


async def get(rows: Rows, hospital_id: UUID, id: UUID) -> ReceivedBid:
    """Read a bid without locking it: it is a copy, and EMS confirms or declines every award."""
    bid = await rows.optional(GET, hospital_id=hospital_id, id=id)
    if bid is None:
        raise missing(id)
    return bid


async def show(rows: Rows, hospital_id: UUID, id: UUID) -> Shown:
    shown = await rows.optional(SHOW, hospital_id=hospital_id, id=id)
    if shown is None:
        raise missing(id)
    return shown


async def list_of(
    rows: Rows,
    hospital_id: UUID,
    trip_id: UUID,
    statuses: Sequence[str],
    *,
    after: Sequence[str] | None,
    fetch: int,
) -> list[Shown]:
    """Return up to ``fetch`` bids on a trip: by preference, then pickup, amount and id."""
    order, pickup, amount, id = after or (None, None, None, None)
    return await rows.all(
        LIST,
        hospital_id=hospital_id,
        transport_request_id=trip_id,
        statuses=list(statuses or BidStatus),
        after_order=order and int(order),
        after_pickup=pickup,
        after_amount=amount,
        after_id=id and UUID(id),
        fetch=fetch,
    )


async def has_live(
    rows: Rows, hospital_id: UUID, trip_id: UUID, *, material_version: int, at: datetime
) -> bool:
    """Tell whether an award could still name a bid on the trip."""
    return await rows.one(
        HAS_LIVE,
        hospital_id=hospital_id,
        transport_request_id=trip_id,
        material_version=material_version,
        at=at,
    )


async def put(uow: UnitOfWork, bid: ReceivedBid) -> None:
    """Keep ``bid`` unless a newer version is here: a repeated or late event changes nothing."""
    await uow.execute(PUT, **columns(bid))


async def close(
    uow: UnitOfWork, hospital_id: UUID, id: UUID, *, status: BidStatus, bid_version: int
) -> None:
    """Note what became of a bid, unless a newer version is here."""
    known = {"hospital_id": hospital_id, "id": id}
    await uow.execute(CLOSE, **known, status=status, bid_version=bid_version)
