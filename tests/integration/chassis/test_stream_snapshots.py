"""Subscribe from a snapshot: the rows of one moment, then everything behind it.

On one silo, because the rows are the test's own, to be changed at will: that each silo's real rows
make its copies whole is in tests/conformance/event_log/test_rebuilds.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import grpc
import psycopg
import pytest
from medport.common.v1 import event_log_pb2 as common
from medport.hospital.events.v1 import event_log_pb2 as pb
from medport.hospital.events.v1.facilities_pb2 import Facility, FacilityChanged, FacilitySnapshot

from chassis.auth import Principal
from chassis.event_log_errors import LogUnavailable, SubscriberStalled
from chassis.outbox import Announcement
from chassis.pool import pool
from chassis.resume_tokens import Lineage
from chassis.sql import written
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_snapshots import Current, Reader, Snapshot, Snapshots
from chassis.unit_of_work import UnitOfWork
from tests.support.databases import superuser_of
from tests.support.event_logs import TRIPS, lay
from tests.support.event_streams import (
    EARLIEST,
    SNAPSHOT,
    Silo,
    after,
    events,
    frames,
    kinds,
    reason,
    serving,
    until_kind,
    wish,
)
from tests.support.silo_logs import HOSPITAL

EVERYBODY = ("silo:ems",)
ALL = written("SELECT name, version FROM trip ORDER BY name", into=lambda *row: row)
BUMP = written(
    "UPDATE trip SET version = version + 1 WHERE name = %(name)s RETURNING version",
    into=lambda version: version,
)
SNAPSHOT_TYPE = "medport.hospital.events.v1.FacilitySnapshot"


def _announced(
    payload: FacilityChanged | FacilitySnapshot, name: str, version: int
) -> Announcement:
    payload.facility.CopyFrom(Facility(name=name, facility_version=version))
    return Announcement(
        event=payload, subject=f"trips/{name}", subject_version=version, audience=EVERYBODY
    )


async def _rows(uow: UnitOfWork) -> AsyncGenerator[Announcement, None]:
    async for name, version in uow.each(ALL):
        if version:
            yield _announced(FacilitySnapshot(), name, version)


async def _change(silo: Silo, name: str) -> None:
    async with silo.database.begin(None) as uow:
        version = await uow.one(BUMP, name=name)
        uow.emit(_announced(FacilityChanged(), name, version))


@asynccontextmanager
async def _serving(dsn: str, current: Current = _rows) -> AsyncIterator[Silo]:
    async with serving(lay(dsn, TRIPS), snapshot=Snapshot(HOSPITAL.envelope, current)) as silo:
        yield silo


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with _serving(plain_database) as served:
        yield served


def _versions(received: list[pb.SubscribeResponse]) -> list[tuple[str, int]]:
    return [
        (each.metadata.subject.removeprefix("trips/"), each.metadata.subject_version)
        for each in events(received)
    ]


async def test_current_rows_come_first_and_then_what_follows_them(silo: Silo) -> None:
    for name in ("T1", "T2", "T1"):
        await _change(silo, name)
    stream = silo.stub.Subscribe(wish(SNAPSHOT))
    received = await until_kind(stream, "snapshot_end")
    assert kinds(received) == ["started", "batch", "snapshot_end"]
    assert _versions(received) == [("T1", 2), ("T2", 1)]
    assert received[-1].snapshot_end.event_count == 2
    assert not any(each.HasField("placement") for each in events(received))
    assert {each.metadata.type for each in events(received)} == {SNAPSHOT_TYPE}

    await _change(silo, "T3")
    live = await frames(stream, 1)
    assert live[0].previous_position == received[-1].position
    while ("T3", 1) not in _versions(live):  # what had no position yet comes once more, before it
        live += await frames(stream, 1)
    stream.cancel()


async def test_nobody_resumes_inside_a_snapshot_and_everybody_behind_it(silo: Silo) -> None:
    await _change(silo, "T1")
    stream = silo.stub.Subscribe(wish(SNAPSHOT))
    received = await until_kind(stream, "snapshot_end")
    stream.cancel()
    before = [(each.resume_token, each.position, each.previous_position) for each in received[:-1]]
    assert set(before) == {(b"", 0, 0)}
    assert received[-1].previous_position == 0

    await _change(silo, "T2")
    again = silo.stub.Subscribe(wish(after(received[-1])))
    follows = await frames(again, 1)
    while ("T2", 1) not in _versions(follows):
        follows += await frames(again, 1)
    again.cancel()


async def test_snapshots_amid_writes_leave_no_gap(silo: Silo) -> None:
    """What a reader knows of a subject rises by one, from its row on, to where the table ends."""
    done = asyncio.Event()

    async def write(name: str) -> None:
        for _ in range(60):
            await _change(silo, name)

    async def read() -> dict[str, int]:
        known: dict[str, int] = {}
        stream = silo.stub.Subscribe(wish(SNAPSHOT))
        for name, version in _versions(await until_kind(stream, "snapshot_end")):
            assert name not in known
            known[name] = version
        while known != dict.fromkeys(("T1", "T2", "T3"), 60):
            for name, version in _versions(await frames(stream, 1)):
                assert version <= known.get(name, 0) + 1, f"{name}: {version} after {known}"
                known[name] = max(version, known.get(name, 0))
        stream.cancel()
        return known

    async def read_again_and_again() -> int:
        count = 0
        while not done.is_set():
            await read_one_snapshot()
            count += 1
        return count

    async def read_one_snapshot() -> None:
        stream = silo.stub.Subscribe(wish(SNAPSHOT, stop_at_head=True))
        await until_kind(stream, "stream_end")

    writing = asyncio.gather(*(write(name) for name in ("T1", "T2", "T3")))
    following = asyncio.create_task(read())
    repeating = asyncio.create_task(read_again_and_again())
    await writing
    done.set()
    assert await repeating > 0
    async with asyncio.timeout(20):
        await following


async def test_a_snapshot_holds_only_what_its_reader_may_see_and_asks_for(silo: Silo) -> None:
    for name in ("T1", "T2"):
        await _change(silo, name)

    async def seen(**filters: list[str]) -> list[tuple[str, int]]:
        stream = silo.stub.Subscribe(wish(SNAPSHOT, filter=common.EventFilter(**filters)))
        received = await until_kind(stream, "snapshot_end")
        stream.cancel()
        assert received[-1].snapshot_end.event_count == len(events(received))
        return _versions(received)

    assert await seen(subjects=["trips/T2"]) == [("T2", 1)]
    assert await seen(types=[SNAPSHOT_TYPE]) == [("T1", 1), ("T2", 1)]
    assert await seen(types=["medport.hospital.events.v1.FacilityChanged"]) == []
    silo.principal = Principal(user_id=uuid4(), silo="center", roles=frozenset({"SERVICE"}))
    assert await seen() == []


async def test_a_snapshot_names_nobody_as_its_actor(silo: Silo) -> None:
    await _change(silo, "T1")
    stream = silo.stub.Subscribe(wish(SNAPSHOT))
    (event,) = events(await until_kind(stream, "snapshot_end"))
    stream.cancel()
    assert not event.metadata.HasField("actor")
    assert event.metadata.correlation_id == ""


async def test_large_snapshots_come_in_many_frames(silo: Silo) -> None:
    for name in ("T1", "T2", "T3"):
        await _change(silo, name)
    stream = silo.stub.Subscribe(wish(SNAPSHOT, max_batch_events=2))
    received = await until_kind(stream, "snapshot_end")
    stream.cancel()
    assert [len(each.batch.events) for each in received if each.HasField("batch")] == [2, 1]


async def test_a_third_snapshot_at_once_is_refused_and_a_cancelled_one_makes_room(
    plain_database: str,
) -> None:
    opened, gate = asyncio.Semaphore(0), asyncio.Event()

    async def waiting(uow: UnitOfWork) -> AsyncGenerator[Announcement, None]:
        opened.release()
        await gate.wait()
        async for each in _rows(uow):
            yield each

    async with _serving(plain_database, waiting) as silo, asyncio.timeout(20):
        first, second = (silo.stub.Subscribe(wish(SNAPSHOT)) for _ in range(2))
        for stream in (first, second):
            await until_kind(stream, "started")
            await opened.acquire()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await until_kind(silo.stub.Subscribe(wish(SNAPSHOT)), "started")
        assert reason(refused.value) == "STREAM_LIMIT"
        live = silo.stub.Subscribe(wish(EARLIEST))  # nobody else waits for them
        await until_kind(live, "caught_up")
        live.cancel()

        first.cancel()
        while True:  # the server learns of it when it learns of it
            third = silo.stub.Subscribe(wish(SNAPSHOT))
            try:
                await until_kind(third, "started")
            except grpc.aio.AioRpcError as again:
                assert reason(again) == "STREAM_LIMIT"  # noqa: PT017 - others are failures
            else:
                break
        gate.set()
        assert kinds(await until_kind(second, "snapshot_end"))[-1] == "snapshot_end"
        assert kinds(await until_kind(third, "snapshot_end"))[-1] == "snapshot_end"
        second.cancel()
        third.cancel()


async def test_a_silo_without_rows_to_show_refuses(plain_database: str) -> None:
    async with serving(lay(plain_database)) as silo:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await until_kind(silo.stub.Subscribe(wish(SNAPSHOT)), "started")
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def _transactions(dsn: str) -> int:
    with psycopg.connect(superuser_of(dsn)) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def _open(silo: Silo, reader: Reader, seconds: float) -> None:
    def started(_: Lineage) -> common.Started:
        return common.Started()

    async with pool(silo.dsn) as connections:
        await connections.wait()
        await Snapshots(connections, Snapshot(HOSPITAL.envelope, _rows), seconds).send(
            reader, started
        )


def _a_reader(stalled: float) -> Reader:
    async def write(_: bytes) -> None:
        await asyncio.Event().wait()

    seen = Interest(frozenset(EVERYBODY))
    return Reader(write, lambda: seen, Limits(), 5.0, stalled)


@pytest.mark.parametrize(
    ("stalled", "seconds", "refusal"),
    [(0.2, 60.0, SubscriberStalled), (60.0, 0.5, LogUnavailable)],
)
async def test_a_reader_that_does_not_read_holds_no_transaction(
    silo: Silo, stalled: float, seconds: float, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await _open(silo, _a_reader(stalled), seconds)
    assert _transactions(silo.dsn) == 0
