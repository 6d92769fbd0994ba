"""What happened to trips, one row each, written by two projectors that nothing orders.

Every statement applies only what is newer than the row's version of its source: the hospital's
row version, EMS's log position. So a repeated event changes nothing, and neither source can undo
what the other said.

Both write the rows of many trips in one transaction, each in the order of its own log: they take
turns, or each would in time wait for a row that the other holds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Double, bindparam, func, null, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from center_svc.domain.trip_facts import REACHED, TripKey, TripNeed
from center_svc.repositories import stale_buckets
from center_svc.tables import bid_fact
from center_svc.tables import trip_fact as table
from chassis.sql import Statement, columns, compiled, same_key, written
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import TripStatus

Change = Statement[dict[str, Any]]


def _hospital(**values: Any) -> Change:  # noqa: ANN401 - columns and literals
    version: Any = bindparam("version")
    newer = table.c.hospital_version < version
    known = table.c.hospital_version > 0
    return compiled(
        update(table)
        .where(same_key(table), known, newer)
        .values(hospital_version=version, **values)
    )


def _ems(**values: Any) -> Insert:  # noqa: ANN401 - columns and literals
    return insert(table).values(
        hospital_id=bindparam("hospital_id"),
        transport_request_id=bindparam("transport_request_id"),
        ems_version=bindparam("version"),
        **values,
    )


def _ems_upsert(statement: Insert, **changes: Any) -> Change:  # noqa: ANN401
    new = statement.excluded
    return compiled(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={"ems_version": new.ems_version, **changes},
            where=table.c.ems_version < new.ems_version,
        )
    )


_NEED = ("transport_level", "priority", "origin_facility_id", "destination_facility_id")
_PARAMETERS: dict[str, Any] = {name: bindparam(name) for name in _NEED}
_CREATE = insert(table).values(
    hospital_id=bindparam("hospital_id"),
    transport_request_id=bindparam("transport_request_id"),
    hospital_version=bindparam("version"),
    status=TripStatus.PENDING,
    requested_at=bindparam("requested_at"),
    **_PARAMETERS,
)
CREATE = compiled(
    _CREATE.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={
            name: _CREATE.excluded[name]
            for name in ("hospital_version", "status", "requested_at", *_NEED)
        },
        where=table.c.hospital_version < _CREATE.excluded.hospital_version,
    )
)
FIRST_BID = compiled(select(table.c.first_bid_at).where(same_key(table)))
CHANGE = _hospital(**_PARAMETERS)
NOTE = _hospital()
AWARD = _hospital(
    status=TripStatus.AWARDED, agency_id=bindparam("agency_id"), awarded_at=bindparam("at")
)
REOPEN = _hospital(
    status=TripStatus.PENDING,
    agency_id=null(),
    awarded_at=null(),
    **dict.fromkeys(REACHED.values(), null()),
)
REACH = {
    status: _hospital(
        status=status,
        agency_id=func.coalesce(
            bindparam("agency_id", type_=table.c.agency_id.type), table.c.agency_id
        ),
        **{moment: bindparam("at")},
    )
    for status, moment in REACHED.items()
}
CANCEL = _hospital(
    status=TripStatus.CANCELLED,
    cancelled_at=bindparam("at"),
    cancellation_reason=bindparam("reason"),
)
EXPIRE = _hospital(status=TripStatus.EXPIRED, expired_at=bindparam("at"))
COMPLETE = _hospital(
    status=TripStatus.COMPLETED,
    agency_id=bindparam("agency_id"),
    **{
        moment: func.coalesce(bindparam(moment, type_=DateTime(timezone=True)), table.c[moment])
        for moment in REACHED.values()
    },
)

_BID = _ems(first_bid_at=bindparam("at"))
BID = _ems_upsert(_BID, first_bid_at=func.least(table.c.first_bid_at, _BID.excluded.first_bid_at))
_PRICE = (
    select(bid_fact.c.bid_amount)
    .where(bid_fact.c.agency_id == bindparam("agency_id"), bid_fact.c.bid_id == bindparam("bid_id"))
    .scalar_subquery()
)
_CONFIRM = _ems(bid_amount=_PRICE)
CONFIRM = _ems_upsert(_CONFIRM, bid_amount=_CONFIRM.excluded.bid_amount)
DROP = _ems_upsert(_ems(), bid_amount=null())
_DRIVE = _ems(
    loaded_miles=bindparam("loaded_miles", type_=Double),
    deadhead_miles=bindparam("deadhead_miles", type_=Double),
)
DRIVE = _ems_upsert(
    _DRIVE,
    loaded_miles=func.coalesce(_DRIVE.excluded.loaded_miles, table.c.loaded_miles),
    deadhead_miles=func.coalesce(_DRIVE.excluded.deadhead_miles, table.c.deadhead_miles),
)

# Only speed rests on it: without, PostgreSQL would end the deadlock, after its deadlock_timeout.
# Rows cannot be locked in some order instead, since some are only just being inserted.
TURN = written("SELECT pg_advisory_xact_lock('trip_fact'::regclass::oid::bigint)")


async def turn(uow: UnitOfWork) -> None:
    """Wait for the other projector's transaction to end; ours then keeps it waiting."""
    await uow.execute(TURN)


async def create(uow: UnitOfWork, key: TripKey, version: int, need: TripNeed, at: datetime) -> bool:
    """Begin a trip's row, or fill in the one that EMS began; False if it was known."""
    parameters = columns(key) | columns(need)
    return await _noted(
        uow, key, await uow.execute(CREATE, **parameters, version=version, requested_at=at)
    )


async def first_bid_at(uow: UnitOfWork, key: TripKey) -> datetime | None:
    at: datetime | None = (await uow.one(FIRST_BID, **columns(key)))["first_bid_at"]
    return at


async def apply(
    uow: UnitOfWork,
    statement: Change,
    key: TripKey,
    version: int,
    **parameters: object,
) -> bool:
    """Run one of this module's statements; False if the row knows as much, or there is none."""
    return await _noted(
        uow, key, await uow.execute(statement, **columns(key), version=version, **parameters)
    )


async def _noted(uow: UnitOfWork, key: TripKey, changed: int) -> bool:
    """Say whether a row changed, and have the figures of its hour made anew."""
    if changed:
        await stale_buckets.note_trip(uow, **columns(key))
    return changed == 1
