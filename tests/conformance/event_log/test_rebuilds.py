"""A consumer of copies alone makes them anew from its source's rows, whatever happens meanwhile.

Run: ``python -m pytest tests/conformance/event_log/test_rebuilds.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator

import pytest

from chassis import checkpoint
from tests.support.copying import COPIES, CUT_BACK, LIVE, REBUILT, ROWS, Copy, Source, showing
from tests.support.event_consumers import LEDGER, Consumer, consuming, until
from tests.support.event_logs import add
from tests.support.event_streams import serving, until_head
from tests.support.profiles import count
from tests.support.replicas import replicas
from tests.support.silo_logs import Kind

ROUNDS = count(5, 100)

pytestmark = pytest.mark.timeout(count(120, 1_200))

# Two frames and more, and at their end the row that replicas stop at.
MANY = """
INSERT INTO noun SELECT 'subjects/' || number, 1 FROM generate_series(1, 60) AS number;
INSERT INTO noun VALUES ('gates/1', 1)
"""
SUBJECTS = [f"subjects/{number}" for number in range(60)]  # of a snapshot: several frames


@pytest.fixture
async def source(kind: Kind, database: str) -> AsyncIterator[Source]:
    async with serving(add(database, ROWS), kind=kind, snapshot=showing(kind)) as served:
        yield Source(served)


@pytest.fixture
async def consumer(peer_database: str) -> AsyncIterator[Consumer]:
    async with consuming(add(peer_database, LEDGER + COPIES)) as opened:
        yield opened


async def follow(consumer: Consumer, source: Source, copy: Copy) -> str:
    """Keep ``copy`` of what ``source`` has; return the consumer's name."""
    name = f"{source.silo.kind.peer}.{copy.name}"
    await consumer.follow(source.silo, copy.project, consumer=name, rebuild=copy.rebuild)
    return name


async def ask(consumer: Consumer, name: str, source: Source) -> None:
    """Ask for a rebuild, as an operator does."""
    async with consumer.database.begin(None) as uow:
        assert await checkpoint.request_rebuild(uow, name, source.silo.kind.silo)


async def test_copies_rebuilt_during_writes_equal_copies_kept_by_events(
    source: Source, consumer: Consumer
) -> None:
    seed = secrets.randbelow(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    await source.change(*SUBJECTS)
    await follow(consumer, source, LIVE)
    rebuilt = await follow(consumer, source, REBUILT)
    ended = asyncio.Event()

    async def write() -> None:
        while not ended.is_set():
            await source.change(*chance.sample(SUBJECTS, 3))

    writing = asyncio.create_task(write())
    for _ in range(ROUNDS):
        await consumer.until_state("RUNNING", rebuilt)
        await ask(consumer, rebuilt, source)
    await consumer.until_state("RUNNING", rebuilt)
    ended.set()
    await writing
    head = (await until_head(source.silo, source.announced())).head_position
    for name in (rebuilt, f"{source.silo.kind.peer}.{LIVE.name}"):
        await consumer.until_at(head, consumer=name)
    assert REBUILT.hash(consumer) == LIVE.hash(consumer) == source.hash()
    assert consumer.one("SELECT count(*) FROM consumer_snapshot_subject") == 0


async def test_a_copy_of_a_log_that_was_cut_back_is_what_the_source_has_left(
    source: Source, consumer: Consumer
) -> None:
    name = await follow(consumer, source, REBUILT)
    await source.change("subjects/a", "subjects/b")
    await source.change("subjects/a", "subjects/c")
    await consumer.until_at(4)
    assert REBUILT.rows(consumer) == {"subjects/a": 2, "subjects/b": 1, "subjects/c": 1}
    await source.silo.publishing.stop()
    source.sql(CUT_BACK.format(2))
    kind = source.silo.kind
    await source.silo.server.stop(None)
    async with serving(
        source.silo.dsn, kind=kind, snapshot=showing(kind), port=source.silo.port
    ) as promoted:
        await until(lambda: REBUILT.rows(consumer) == {"subjects/a": 1, "subjects/b": 1})
        await consumer.until_state("RUNNING", name)
        await Source(promoted).change("subjects/d")
        await until(lambda: "subjects/d" in REBUILT.rows(consumer))
    assert REBUILT.hash(consumer) == source.hash()


@pytest.mark.parametrize("is_new", [False, True], ids=["left behind", "new"])
async def test_a_copy_that_needs_what_the_log_has_dropped_takes_the_rows_instead(
    source: Source, consumer: Consumer, is_new: bool
) -> None:
    if not is_new:
        name = f"{source.silo.kind.peer}.{REBUILT.name}"
        first = await consumer.follow(source.silo, REBUILT.project, consumer=name)
        await source.change("subjects/a")
        await consumer.until_at(1)
        await first.stop()
    await source.change("subjects/a", "subjects/b")
    await source.change("subjects/c")
    head = (await until_head(source.silo, 3)).head_position
    source.sql("UPDATE event_log_head SET first_position = last_position")  # only that is kept
    await follow(consumer, source, REBUILT)
    await consumer.until_at(head)
    await consumer.until_state("RUNNING")
    assert REBUILT.hash(consumer) == source.hash()


async def test_a_copy_of_another_log_waits_for_an_operator_who_asks_for_the_rows(
    source: Source, consumer: Consumer
) -> None:
    name = await follow(consumer, source, REBUILT)
    await source.change("subjects/a")
    await consumer.until_at(1)
    source.sql(
        "UPDATE event_log_head SET log_id = gen_random_uuid(), token_key = sha256('another')"
    )
    kind = source.silo.kind
    await source.silo.publishing.stop()
    await source.silo.server.stop(None)
    async with serving(source.silo.dsn, kind=kind, snapshot=showing(kind), port=source.silo.port):
        await consumer.until_state("HALTED LOG_MISMATCH")
        await ask(consumer, name, source)
        await consumer.until_state("RUNNING")
    assert REBUILT.hash(consumer) == source.hash()


async def test_a_rebuild_whose_process_is_killed_is_begun_again_by_another(
    source: Source, consumer: Consumer
) -> None:
    async with replicas(consumer.dsn, source.silo, 2) as team:
        await source.change("subjects/new")
        await consumer.until_at(1, seconds=30)
        source.sql(MANY)
        await ask(consumer, source.silo.kind.peer, source)
        victim = await team.next_at_gate()
        victim.kill()
        source.sql("DELETE FROM noun WHERE subject = 'subjects/1'")  # which the victim has met
        consumer.expire_lease()
        heir = await team.next_at_gate()
        assert heir != victim
        heir.pass_on()
        await consumer.until_state("RUNNING")
    assert LIVE.hash(consumer) == source.hash()
