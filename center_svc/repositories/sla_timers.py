"""Service levels of trips: what must happen by when, what has, and what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Text,
    and_,
    any_,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.sla_timers import NEWS, Expectation, SlaKind, SlaTimer, WantedTimers
from center_svc.domain.trip_facts import TripKey
from center_svc.tables import sla_timer as table
from center_svc.tables import trip_fact
from chassis.sql import Statement, columns, compiled, same_key, written
from chassis.unit_of_work import Rows, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A timer that ran out, with what its announcement says of the trip."""

    hospital_id: UUID
    transport_request_id: UUID
    kind: SlaKind
    due_at: datetime
    cleared_at: datetime | None
    breached_at: datetime | None
    agency_id: UUID | None
    hospital_version: int

    @property
    def is_news(self) -> bool:
        """Tell whether nobody was told yet: it has not happened, or happened too late."""
        is_late = self.cleared_at is None or self.cleared_at > self.due_at
        return self.breached_at is None and is_late


_KEY = ("hospital_id", "transport_request_id")
_OF_TRIP = tuple(table.c[name] == bindparam(name) for name in _KEY)
_TRIP = and_(*(trip_fact.c[name] == table.c[name] for name in _KEY))
_LAST = UUID(int=2**128 - 1)
_OPEN = table.c.cleared_at.is_(None)
_MOMENT: DateTime = DateTime(timezone=True)
_AT = bindparam("at", type_=_MOMENT)
# The earliest of what clears it counts, whichever of the two streams is heard first.
_EARLIER = or_(_OPEN, table.c.cleared_at > _AT)
# An answer to what was asked before is none to what is asked now.
_SINCE = or_(table.c.started_at.is_(None), table.c.started_at <= _AT)
# What was missed stays so, though it is expected again before both silos were heard. EMS alone may
# yet say that these two happened in time: of them, the last expectation is the one that counts.
_RESTARTS = or_(
    _OPEN,
    table.c.cleared_at <= table.c.due_at,
    table.c.breached_at.is_not(None),
    table.c.kind == SlaKind.FIRST_BID,
    table.c.kind == SlaKind.CANCELLATION_ANSWER,
)

_EXPECT = insert(table).values(
    {name: bindparam(name) for name in (*_KEY, "kind", "started_at", "due_at", "cleared_at")}
)
EXPECT = compiled(
    _EXPECT.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={
            "due_at": _EXPECT.excluded.due_at,
            "cleared_at": case(
                (table.c.cleared_at >= _EXPECT.excluded.started_at, table.c.cleared_at),
                else_=_EXPECT.excluded.cleared_at,
            ),
            "started_at": _EXPECT.excluded.started_at,
        },
        where=_RESTARTS,
    )
)
CLEAR = compiled(
    update(table)
    .where(*_OF_TRIP, table.c.kind == any_(bindparam("kinds", type_=ARRAY(Text))), _EARLIER)
    .values(cleared_at=_AT)
)
_ANSWER = insert(table).values(
    {name: bindparam(name) for name in (*_KEY, "kind")} | {"due_at": _AT, "cleared_at": _AT}
)
ANSWER = compiled(
    _ANSWER.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={"cleared_at": _ANSWER.excluded.cleared_at},
        where=and_(_EARLIER, _SINCE),
    )
)
# A bid that another window was offered to is none to the one that runs.
BID = compiled(
    update(table)
    .where(*_OF_TRIP, table.c.kind == SlaKind.FIRST_BID, _EARLIER, _SINCE)
    .values(cleared_at=_AT)
)
RESUME = compiled(
    update(table)
    .where(
        *_OF_TRIP,
        table.c.kind == SlaKind.ARRIVED_PICKUP,
        or_(table.c.cleared_at <= table.c.due_at, table.c.breached_at.is_not(None)),
    )
    .values(cleared_at=null())
)
# What ran out before was missed, and what happened before is not late by what is asked now.
RESCHEDULE = compiled(
    update(table)
    .where(same_key(table), table.c.due_at > _AT)
    .values(due_at=func.greatest(bindparam("due_at", type_=_MOMENT), _AT))
)
OFFERED = compiled(
    select(func.coalesce(table.c.started_at, trip_fact.c.requested_at))
    .join(trip_fact, _TRIP)
    .where(*_OF_TRIP, table.c.kind == SlaKind.FIRST_BID),
    into=lambda at: at,
)
# Two indexes, each of few rows: what still runs, and what was cleared too late and is news.
DUE: Statement[tuple[UUID, UUID, SlaKind, datetime]] = written(
    """
    SELECT hospital_id, transport_request_id, kind, due_at FROM sla_timer
     WHERE cleared_at IS NULL AND breached_at IS NULL AND due_at < %(before_at)s
    UNION ALL
    SELECT hospital_id, transport_request_id, kind, due_at FROM sla_timer
     WHERE cleared_at > due_at AND breached_at IS NULL
       AND due_at >= %(news_since)s AND due_at < %(before_at)s
    ORDER BY due_at LIMIT %(fetch)s
    """,
    into=lambda hospital_id, trip_id, kind, due_at: (hospital_id, trip_id, SlaKind(kind), due_at),
)
# Who was chosen after it was due is not to blame.
_TO_BLAME = case((trip_fact.c.awarded_at <= table.c.due_at, trip_fact.c.agency_id))
LOCK_FREE = compiled(
    select(
        *(each for each in table.c if each.key != "started_at"),
        _TO_BLAME.label("agency_id"),
        trip_fact.c.hospital_version,
    )
    .join(trip_fact, _TRIP)
    .where(same_key(table))
    .with_for_update(of=table, skip_locked=True),
    into=Missed,
)
# A trip's id and a kind never change: no page skips or repeats a timer that is moved meanwhile.
LIST: Statement[SlaTimer] = written(
    """
    SELECT timer.hospital_id, timer.transport_request_id, kind, due_at, timer.cleared_at,
           breached_at, agency_id
    FROM sla_timer AS timer LEFT JOIN trip_fact USING (hospital_id, transport_request_id)
    WHERE (%(organization_id)s::uuid IS NULL OR timer.hospital_id = %(organization_id)s
           OR agency_id = %(organization_id)s)
      AND (cardinality(%(trips)s::uuid[]) = 0 OR timer.transport_request_id = ANY (%(trips)s))
      AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY (%(kinds)s))
      AND (cardinality(%(states)s::text[]) = 0 OR CASE WHEN breached_at IS NOT NULL THEN 'BREACHED'
             WHEN timer.cleared_at IS NULL THEN 'RUNNING' ELSE 'CLEARED' END = ANY (%(states)s))
      AND due_at >= %(since)s AND due_at < %(until)s
      AND timer.transport_request_id <= %(before)s::uuid
      AND (timer.transport_request_id < %(before)s::uuid OR kind > %(after_kind)s)
    ORDER BY timer.transport_request_id DESC, kind LIMIT %(fetch)s
    """,
    into=lambda hospital_id, trip_id, kind, due_at, *rest: SlaTimer(
        hospital_id=hospital_id,
        transport_request_id=trip_id,
        kind=SlaKind(kind),
        due_at=due_at,
        **dict(zip(("cleared_at", "breached_at", "agency_id"), rest, strict=True)),
    ),
)
BREACH = compiled(update(table).where(same_key(table)).values(breached_at=bindparam("at")))


async def expect(
    uow: UnitOfWork, key: TripKey, expected: Expectation, cleared_at: datetime | None = None
) -> None:
    """Start a timer, or start it again; an answer since ``started_at`` has cleared it already.

    One that was cleared too late, and is yet to be announced, is left as it is.
    """
    await uow.execute(EXPECT, **columns(key), **columns(expected), cleared_at=cleared_at)


async def clear(uow: UnitOfWork, key: TripKey, kinds: Sequence[SlaKind], at: datetime) -> None:
    """Stop those of a trip's timers that run, or that stopped later."""
    await uow.execute(CLEAR, **columns(key), kinds=list(kinds), at=at)


async def answer(uow: UnitOfWork, key: TripKey, kind: SlaKind, at: datetime) -> None:
    """Stop a timer that the other stream may only start later.

    One that was started after ``at`` runs on: another question was answered.
    """
    await uow.execute(ANSWER, **columns(key), kind=kind, at=at)


async def bid(uow: UnitOfWork, key: TripKey, at: datetime) -> None:
    """Stop waiting for a first bid, unless what is waited for is one of a later window."""
    await uow.execute(BID, **columns(key), at=at)


async def resume(uow: UnitOfWork, key: TripKey) -> None:
    """Wait for the arrival again: the unit that came has gone, or is another agency's."""
    await uow.execute(RESUME, **columns(key))


async def reschedule(
    uow: UnitOfWork, key: TripKey, kind: SlaKind, due_at: datetime, *, at: datetime
) -> None:
    """Move a timer that had not run out ``at``, to no earlier moment than that."""
    await uow.execute(RESCHEDULE, **columns(key), kind=kind, due_at=due_at, at=at)


async def offered_at(rows: Rows, key: TripKey) -> datetime | None:
    """Return when the window began in which a first bid is expected; None: none ever was."""
    return await rows.optional(OFFERED, **columns(key))


async def list_newest(
    rows: Rows, wanted: WantedTimers, *, after: tuple[str, ...] | None, fetch: int
) -> list[SlaTimer]:
    """Return timers, those of the newest trips first, of each trip by kind."""
    before, after_kind = after or (str(_LAST), "")
    return await rows.all(
        LIST, **columns(wanted), before=UUID(before), after_kind=after_kind, fetch=fetch
    )


async def list_due(
    rows: Rows, *, before_at: datetime, fetch: int
) -> list[tuple[UUID, UUID, SlaKind, datetime]]:
    """Return what ran out ``before_at``, the oldest first: hospital, trip, kind, due time.

    What happened after all is listed while it is news.
    """
    return await rows.all(DUE, before_at=before_at, news_since=before_at - NEWS, fetch=fetch)


async def lock_free(
    uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID, kind: SlaKind
) -> Missed | None:
    """Lock a timer; None while another transaction holds it, which may be stopping it."""
    return await uow.optional(
        LOCK_FREE, hospital_id=hospital_id, transport_request_id=transport_request_id, kind=kind
    )


async def breach(uow: UnitOfWork, missed: Missed, at: datetime) -> None:
    await uow.execute(
        BREACH,
        hospital_id=missed.hospital_id,
        transport_request_id=missed.transport_request_id,
        kind=missed.kind,
        at=at,
    )
