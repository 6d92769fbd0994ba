"""Service levels of trips: what must happen by when, what has, and what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, any_, bindparam, case, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.sla_timers import Expectation, SlaKind, SlaTimer, WantedTimers
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
    def is_running(self) -> bool:
        return self.cleared_at is None and self.breached_at is None


_KEY = ("hospital_id", "transport_request_id")
_OF_TRIP = tuple(table.c[name] == bindparam(name) for name in _KEY)
_LAST = UUID(int=2**128 - 1)
_OPEN = table.c.cleared_at.is_(None)
_STARTED: DateTime = DateTime(timezone=True)

_EXPECT = insert(table).values(
    {name: bindparam(name) for name in (*_KEY, "kind", "due_at", "cleared_at")}
)
EXPECT = compiled(
    _EXPECT.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={
            "due_at": _EXPECT.excluded.due_at,
            "cleared_at": case(
                (
                    table.c.cleared_at >= bindparam("started_at", type_=_STARTED),
                    table.c.cleared_at,
                ),
                else_=_EXPECT.excluded.cleared_at,
            ),
        },
    )
)
# The earliest of what clears it counts, whichever of the two streams is heard first.
CLEAR = compiled(
    update(table)
    .where(
        *_OF_TRIP,
        table.c.kind == any_(bindparam("kinds", type_=ARRAY(Text))),
        or_(_OPEN, table.c.cleared_at > bindparam("at")),
    )
    .values(cleared_at=bindparam("at"))
)
_ANSWER = insert(table).values(
    {name: bindparam(name) for name in (*_KEY, "kind")}
    | {"due_at": bindparam("at"), "cleared_at": bindparam("at")}
)
ANSWER = compiled(
    _ANSWER.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={"cleared_at": _ANSWER.excluded.cleared_at},
        where=_OPEN,
    )
)
RESCHEDULE = compiled(
    update(table).where(same_key(table), _OPEN).values(due_at=bindparam("due_at"))
)
_RUNS_OUT = (_OPEN, table.c.breached_at.is_(None), table.c.due_at < bindparam("before_at"))
DUE = compiled(
    select(table.c.hospital_id, table.c.transport_request_id, table.c.kind, table.c.due_at)
    .where(*_RUNS_OUT)
    .order_by(table.c.due_at)
    .limit(bindparam("fetch")),
    into=lambda hospital_id, trip_id, kind, due_at: (hospital_id, trip_id, SlaKind(kind), due_at),
)
LOCK_FREE = compiled(
    select(
        *table.c,
        trip_fact.c.agency_id,
        trip_fact.c.hospital_version,
    )
    .join(
        trip_fact,
        (trip_fact.c.hospital_id == table.c.hospital_id)
        & (trip_fact.c.transport_request_id == table.c.transport_request_id),
    )
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
    """Start a timer, or start it again; an answer since ``started_at`` has cleared it already."""
    await uow.execute(EXPECT, **columns(key), **columns(expected), cleared_at=cleared_at)


async def clear(uow: UnitOfWork, key: TripKey, kinds: Sequence[SlaKind], at: datetime) -> None:
    """Stop those of a trip's timers that run, or that stopped later."""
    await uow.execute(CLEAR, **columns(key), kinds=list(kinds), at=at)


async def answer(uow: UnitOfWork, key: TripKey, kind: SlaKind, at: datetime) -> None:
    """Stop a timer that the other stream may only start later."""
    await uow.execute(ANSWER, **columns(key), kind=kind, at=at)


async def reschedule(uow: UnitOfWork, key: TripKey, kind: SlaKind, due_at: datetime) -> None:
    await uow.execute(RESCHEDULE, **columns(key), kind=kind, due_at=due_at)


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
    """Return what ran out ``before_at``, the oldest first: hospital, trip, kind, due time."""
    return await rows.all(DUE, before_at=before_at, fetch=fetch)


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
