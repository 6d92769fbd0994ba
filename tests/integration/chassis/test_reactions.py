"""What is due happens, the oldest first, whatever else fails, is held, or was away.

Proves: more than fits into one look is done in several without a rest; one thing that fails is
reported, rests, and holds up nobody; what is held is tried again soon; a timer rests until the
next thing is due; what fell due while the database was away happens when it is back; lateness,
firings and skips are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from structlog.testing import capture_logs

from chassis import reactions
from chassis.clock import Clock
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.reactions import AT_ONCE, LATENESS, PERIOD_SECONDS, Due, Outcome, Reaction
from chassis.sql import written
from chassis.timers import Timers
from chassis.unit_of_work import Database, UnitOfWork
from tests.support.databases import owner_of
from tests.support.reacting import fired, moved_on
from tests.support.waiting import until

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TABLE = """
CREATE TABLE thing (id int PRIMARY KEY, at timestamptz NOT NULL, done_order serial, done bool);
GRANT ALL ON thing, thing_done_order_seq TO PUBLIC
"""
COMING = written(
    "SELECT id, at FROM thing WHERE done IS NULL AND at < %(until)s ORDER BY at LIMIT %(fetch)s",
    lambda *each: each,
)
LOCK = written("SELECT done FROM thing WHERE id = %(id)s FOR UPDATE SKIP LOCKED")
DO = written(
    "UPDATE thing SET done = true, done_order = nextval('thing_done_order_seq') WHERE id = %(id)s"
)


@dataclass
class Things:
    """A rule over a table of things; ``bad`` fail."""

    name: str
    bad: set[int] = field(default_factory=set)

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[int]]:
        found = await database.read(None).all(COMING, until=until, fetch=fetch)
        return [Due(None, id, at) for id, at in found]

    async def react(self, uow: UnitOfWork, due: Due[int], _clock: Clock) -> Outcome:
        row = await uow.optional(LOCK, id=due.key)
        if row is None:
            return Outcome.BUSY
        if row["done"]:
            return Outcome.MOVED_ON
        await uow.execute(DO, id=due.key)
        if due.key in self.bad:
            raise KeyError("a mistake")
        return Outcome.DONE


@pytest.fixture
async def database(plain_database: str) -> AsyncIterator[Database]:
    with psycopg.connect(owner_of(plain_database), autocommit=True) as owner:
        owner.execute(TABLE.encode())
    async with pool(plain_database) as connections:
        await connections.wait()
        yield Database(
            connections, Envelope(HospitalEvent, "/medport/hospital"), tenant_column=None
        )


def add(dsn: str, *seconds: float) -> None:
    """Add things that are due so many seconds after noon, numbered from 0."""
    with psycopg.connect(owner_of(dsn), autocommit=True) as owner:
        for number, each in enumerate(seconds):
            at = NOON + timedelta(seconds=each)
            owner.execute("INSERT INTO thing VALUES (%s, %s, DEFAULT)", [number, at])


def done(dsn: str) -> list[int]:
    """Return what happened, in its order."""
    with psycopg.connect(owner_of(dsn), autocommit=True) as owner:
        found = owner.execute("SELECT id FROM thing WHERE done ORDER BY done_order")
        return [row[0] for row in found]


def noon() -> datetime:
    return NOON


async def test_more_than_fits_into_a_look_is_done_without_a_rest(
    database: Database, plain_database: str
) -> None:
    add(plain_database, *(-each for each in range(AT_ONCE + 2)))
    reaction = Reaction(Things("many"))
    assert await reaction.turn(database, noon) == 0
    assert set(done(plain_database)) == set(range(2, AT_ONCE + 2)), "the oldest come first"
    assert await reaction.turn(database, noon) > 0
    assert len(done(plain_database)) == AT_ONCE + 2 == fired("many")


async def test_one_that_fails_rests_and_holds_up_nobody(
    database: Database, plain_database: str
) -> None:
    add(plain_database, -3, -2, -1)
    reaction = Reaction(Things("failing", bad={0}))
    with capture_logs() as logs:
        await reaction.turn(database, noon)
        await reaction.turn(database, noon)
    assert sorted(done(plain_database)) == [1, 2]
    assert [(each["event"], each["type"]) for each in logs if each["event"] == "fault"] == [
        ("fault", "KeyError")
    ]


async def test_one_that_hangs_is_given_up(
    database: Database, plain_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(plain_database, -2, -1)
    monkeypatch.setattr(reactions, "HUNG_SECONDS", 1.0)

    class Hanging(Things):
        async def react(self, uow: UnitOfWork, due: Due[int], clock: Clock) -> Outcome:
            outcome = await super().react(uow, due, clock)
            if due.key == 0:
                await asyncio.Event().wait()
            return outcome

    with capture_logs() as logs:
        await Reaction(Hanging("hanging")).turn(database, noon)
    assert done(plain_database) == [1]
    assert [each["event"] for each in logs] == ["reaction_postponed", "reacted"]


async def test_one_that_somebody_holds_is_tried_again(
    database: Database, plain_database: str
) -> None:
    add(plain_database, -2, -1)
    reaction = Reaction(Things("held"))
    async with database.begin(None) as holding:
        await holding.optional(LOCK, id=0)
        rest = await reaction.turn(database, noon)
        assert done(plain_database) == [1]
        assert rest < PERIOD_SECONDS
    async with asyncio.timeout(20):
        while done(plain_database) != [1, 0]:
            await reaction.rest(await reaction.turn(database, noon))


async def test_a_timer_rests_until_the_next_thing_is_due(
    database: Database, plain_database: str
) -> None:
    add(plain_database, 0.2, 60)
    reaction = Reaction(Things("coming"))
    assert await reaction.turn(database, noon) == pytest.approx(0.2)
    later = NOON + timedelta(seconds=1)
    assert await reaction.turn(database, lambda: later) == pytest.approx(PERIOD_SECONDS, rel=0.11)
    assert done(plain_database) == [0]
    (late,) = (
        each.value
        for metric in LATENESS.collect()
        for each in metric.samples
        if each.name.endswith("_sum") and each.labels == {"timer": "coming"}
    )
    assert late == pytest.approx(0.8)


async def test_what_was_done_meanwhile_is_counted_as_skipped(
    database: Database, plain_database: str
) -> None:
    add(plain_database, -1)

    class Late(Things):
        async def coming(
            self, database: Database, *, until: datetime, fetch: int
        ) -> Sequence[Due[int]]:
            found = await super().coming(database, until=until, fetch=fetch)
            async with database.begin(None) as uow:
                await uow.execute(DO, id=0)
            return found

    await Reaction(Late("skipped")).turn(database, noon)
    assert (fired("skipped"), moved_on("skipped")) == (0, 1)


async def test_what_fell_due_while_the_database_was_away_happens_when_it_is_back(
    database: Database, plain_database: str
) -> None:
    add(plain_database, -60, -2, -1)
    is_up = asyncio.Event()
    timers = Timers([Reaction(Things("away"))], database, noon, is_up.is_set)
    await timers.start()
    assert done(plain_database) == []
    is_up.set()

    async def all_are_done() -> bool:
        return sorted(done(plain_database)) == [0, 1, 2]

    await until(all_are_done)
    await timers.stop()
