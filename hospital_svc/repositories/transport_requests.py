"""Transport requests, between rows and rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    column,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key, written
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import TripStatus
from hospital_svc.domain.refusals import TripAlreadyLive
from hospital_svc.domain.transport_requests import ENDED, Filter, TransportRequest
from hospital_svc.tables import transport_request as table

LIVE = text(
    "status NOT IN ('COMPLETED', 'CANCELLED', 'EXPIRED')"
    " AND cancel_intent IS DISTINCT FROM 'CANCEL'"
)
LIVE_STATUSES = tuple(each for each in TripStatus if each not in ENDED)
ONE_LIVE = "transport_request_live_patient"


_since = bindparam("since_at", type_=DateTime(timezone=True))
_until = bindparam("until_at", type_=DateTime(timezone=True))
_origin = bindparam("origin", type_=Uuid)
_agency = bindparam("agency", type_=Uuid)
_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)

EACH = compiled(
    select(table).where(table.c.hospital_id == bindparam("hospital_id")), into=TransportRequest
)
GET = compiled(select(table).where(same_key(table)), into=TransportRequest)
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=TransportRequest)
HOLD = compiled(
    select(table).where(same_key(table)).with_for_update(read=True), into=TransportRequest
)
LOCK_FREE = compiled(
    select(table).where(same_key(table)).with_for_update(skip_locked=True), into=TransportRequest
)
ADD = compiled(
    insert(table)
    .values({column.key: bindparam(column.key) for column in table.c})
    .on_conflict_do_nothing(index_elements=["hospital_id", "patient_id", "leg"], index_where=LIVE)
)
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
LIVE_ONE = compiled(
    select(table.c.id).where(
        table.c.hospital_id == bindparam("hospital_id"),
        table.c.patient_id == bindparam("patient_id"),
        table.c.leg == bindparam("leg"),
        LIVE,
    ),
    into=lambda each: each,
)
LIST = compiled(
    select(table)
    .where(
        table.c.hospital_id == bindparam("hospital_id"),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        or_(_since.is_(None), table.c.requested_at >= _since),
        or_(_until.is_(None), table.c.requested_at < _until),
        or_(_origin.is_(None), table.c.origin_facility_id == _origin),
        or_(_agency.is_(None), table.c.assigned_agency_id == _agency),
        or_(
            _after_at.is_(None),
            tuple_(table.c.requested_at, table.c.id) < tuple_(_after_at, _after_id),
        ),
    )
    .order_by(table.c.requested_at.desc(), table.c.id.desc())
    .limit(bindparam("fetch")),
    into=TransportRequest,
)
NAMED = compiled(
    select(table).where(
        table.c.hospital_id == bindparam("hospital_id"),
        table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    ),
    into=TransportRequest,
)
# Of every hospital: the function shows what leads to the tenant that is named, and no patient.
_inbound = func.inbound_trips(
    bindparam("hospital_id", type_=Uuid),
    bindparam("statuses", type_=ARRAY(Text)),
    bindparam("facility", type_=Uuid),
    _after_at,
    _after_id,
    bindparam("fetch", type_=BigInteger),
).table_valued(*(column(each.key, each.type) for each in table.c))
INBOUND = compiled(select(*_inbound.c), into=TransportRequest)
OVERDUE_OFFERS = written(
    "SELECT hospital_id, id, due_at FROM due_offers(%(before_at)s, %(grace)s, %(fetch)s)",
    lambda *each: each,
)
USES = compiled(
    select(
        exists().where(
            and_(
                table.c.hospital_id == bindparam("hospital_id"),
                or_(
                    table.c.origin_facility_id == bindparam("facility_id"),
                    table.c.destination_facility_id == bindparam("facility_id"),
                ),
                LIVE,
            )
        )
    ),
    into=lambda used: used,
)


def missing(id: UUID) -> NotFound:
    """Refuse in the same words a trip that does not exist, and one of another hospital."""
    return NotFound("the trip does not exist", resource="transport_request", id=str(id))


def each(uow: UnitOfWork, hospital_id: UUID) -> AsyncGenerator[TransportRequest, None]:
    """Yield all of a hospital's trips, one by one."""
    return uow.each(EACH, hospital_id=hospital_id)


async def get(rows: Rows, hospital_id: UUID, id: UUID) -> TransportRequest:
    request = await rows.optional(GET, hospital_id=hospital_id, id=id)
    if request is None:
        raise missing(id)
    return request


async def hold(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> TransportRequest:
    """Read a request that stays as it is until the transaction ends; others may read it too."""
    request = await uow.optional(HOLD, hospital_id=hospital_id, id=id)
    if request is None:
        raise missing(id)
    return request


async def lock(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> TransportRequest:
    """Read a request and hold its row until the transaction ends."""
    request = await lock_known(uow, hospital_id, id)
    if request is None:
        raise missing(id)
    return request


async def lock_known(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> TransportRequest | None:
    return await uow.optional(LOCK, hospital_id=hospital_id, id=id)


async def lock_free(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> TransportRequest | None:
    """Lock a request; None while another transaction holds it, which may be deciding about it."""
    return await uow.optional(LOCK_FREE, hospital_id=hospital_id, id=id)


async def add(uow: UnitOfWork, request: TransportRequest) -> None:
    """Add a request; raises TripAlreadyLive when the patient has a live one on this leg.

    The index decides, so of two at once one wins; the loser has waited, and sees the winner.
    """
    if await uow.execute(ADD, **columns(request)) == 0:
        raise _already_live(await _live_one(uow, request))


async def save(uow: UnitOfWork, request: TransportRequest) -> None:
    """Write back a request read with ``lock`` in the same transaction."""
    try:
        await uow.execute(SAVE, **columns(request))
    except UniqueViolation as taken:
        if taken.diag.constraint_name == ONE_LIVE:
            raise TripAlreadyLive("the patient has a live trip on this leg") from taken
        raise


async def refuse_second(uow: UnitOfWork, request: TransportRequest) -> None:
    """Refuse, with the other trip's id, a patient who has a live trip on this leg."""
    other = await _live_one(uow, request)
    if other not in {None, request.id}:
        raise _already_live(other)


async def _live_one(uow: UnitOfWork, request: TransportRequest) -> UUID | None:
    return await uow.optional(
        LIVE_ONE,
        hospital_id=request.hospital_id,
        patient_id=request.patient_id,
        leg=request.leg,
    )


def _already_live(id: UUID | None) -> TripAlreadyLive:
    known = str(id or "")
    return TripAlreadyLive(
        "the patient has a live trip on this leg",
        resource="transport_request",
        id=known,
        transport_request_id=known,
    )


async def list_newest(
    rows: Rows, hospital_id: UUID, wanted: Filter, *, after: Sequence[str] | None, fetch: int
) -> list[TransportRequest]:
    """Return up to ``fetch`` trips, the newest first, behind the sort key ``after``."""
    after_at, after_id = after or (None, None)
    return await rows.all(
        LIST,
        hospital_id=hospital_id,
        statuses=list(wanted.statuses or TripStatus),
        since_at=wanted.since_at,
        until_at=wanted.until_at,
        origin=wanted.origin_facility_id,
        agency=wanted.assigned_agency_id,
        after_at=after_at and datetime.fromisoformat(after_at),
        after_id=after_id and UUID(after_id),
        fetch=fetch,
    )


async def get_all(rows: Rows, hospital_id: UUID, ids: Sequence[UUID]) -> list[TransportRequest]:
    """Return the trips in the order of ``ids``; raises NotFound for the first that is not there."""
    found = {each.id: each for each in await list_named(rows, hospital_id, ids)}
    if absent := next((id for id in ids if id not in found), None):
        raise missing(absent)
    return [found[id] for id in ids]


async def list_named(rows: Rows, hospital_id: UUID, ids: Sequence[UUID]) -> list[TransportRequest]:
    """Return the hospital's trips among ``ids``, in any order."""
    return await rows.all(NAMED, hospital_id=hospital_id, ids=list(ids))


async def list_inbound(
    rows: Rows,
    hospital_id: UUID,
    statuses: Sequence[str],
    facility_id: UUID | None,
    *,
    after: Sequence[str] | None,
    fetch: int,
) -> list[TransportRequest]:
    """Return up to ``fetch`` trips that lead to a hospital, the newest first; no patient's."""
    after_at, after_id = after or (None, None)
    return await rows.all(
        INBOUND,
        hospital_id=hospital_id,
        statuses=list(statuses or TripStatus),
        facility=facility_id,
        after_at=after_at and datetime.fromisoformat(after_at),
        after_id=after_id and UUID(after_id),
        fetch=fetch,
    )


async def list_overdue_offers(
    rows: Rows, *, before_at: datetime, grace: timedelta, fetch: int
) -> list[tuple[UUID, UUID, datetime]]:
    """Return the open trips that nobody could be awarded from some moment before ``before_at`` on.

    That is when the ``grace`` behind their offer, and their last bid, have ended. Of every
    hospital, the oldest offer first: hospital, trip, that moment.
    """
    return await rows.all(OVERDUE_OFFERS, before_at=before_at, grace=grace, fetch=fetch)


async def uses(rows: Rows, hospital_id: UUID, facility_id: UUID) -> bool:
    """Tell whether a live trip of the hospital begins or ends at the facility."""
    return await rows.one(USES, hospital_id=hospital_id, facility_id=facility_id)
