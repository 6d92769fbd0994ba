"""Clocks that are wrong, or jump: order, density and resumption never read one.

Proves: when the database's clock jumps by an hour, or the writers' clocks by five minutes, either
way, between two events, the log stays dense and in order, an open stream goes on, a token from
before the jump resumes behind it, and a start by time gives too much rather than too little.
The database's clock is emulated where the log reads it, in the defaults of its columns: the
server's own clock cannot be set here. Retention and leases do read that clock (events.md, 9, 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from medport.common.v1 import event_log_pb2 as common

from tests.support.event_streams import LATEST, Silo, after, events, frames, serving
from tests.support.event_writers import Scene, Writer
from tests.support.histories import Origin, Stream

_SHIFT = (
    "ALTER TABLE event_log ALTER recorded_at SET DEFAULT clock_timestamp() + interval '{}'",
    "ALTER TABLE outbox ALTER occurred_at SET DEFAULT clock_timestamp() + interval '{}'",
)


@contextmanager
def _database_clock(scene: Scene, off: str) -> Iterator[None]:
    """Let the log's clock be off by so much."""
    _set(scene, off)
    try:
        yield
    finally:
        _set(scene, "0")


def _set(scene: Scene, off: str) -> None:
    for statement in _SHIFT:
        scene.admin.execute(statement.format(off).encode())


async def _read(stream: Any, recorded: Stream, end: int) -> list[Any]:
    """Note every frame up to the one that ends at ``end``, and return them."""
    received: list[Any] = []
    while not received or received[-1].position < end:
        received += await frames(stream, 1)
        recorded.frame(received[-1])
    return received


@pytest.mark.parametrize("off", ["1 hour", "-1 hour"])
async def test_a_databases_clock_may_jump(scene: Scene, off: str) -> None:
    subscriber = scene.history.subscriber("peer")
    async with serving(scene.dsn, kind=scene.kind) as silo:
        stream, recorded = silo.subscribe(LATEST), subscriber.opened(Origin.LATEST)
        await _read(stream, recorded, 0)
        scene.written("T1", "T2")
        [*_, before] = await _read(stream, recorded, 2)
        with _database_clock(scene, off):
            scene.written("T1", "T3")
            await _read(stream, recorded, 4)
        scene.written("T1", "T2")
        await _read(stream, recorded, 6)
        await _read(silo.subscribe(after(before)), subscriber.opened(before.position), 6)
        await _check_a_start_by_time(scene, silo)
    assert scene.events() == ["T1 v1", "T2 v1", "T1 v2", "T3 v1", "T1 v3", "T2 v2"]


async def _check_a_start_by_time(scene: Scene, silo: Silo) -> None:
    """Begin when the second event was recorded: all that the log calls later has to come."""
    rows = scene.admin.execute("SELECT recorded_at FROM event_log ORDER BY position").fetchall()
    times = [time for (time,) in rows]
    assert max(times) - min(times) > timedelta(minutes=59)
    start = common.StartPosition()
    start.after_recorded_time.FromDatetime(times[1])
    recorded = scene.history.subscriber("by time").opened(Origin.TIME)
    [started] = await frames(stream := silo.subscribe(start), 1)
    recorded.frame(started)
    later = [position for position, time in enumerate(times, 1) if time > times[1]]
    assert started.position < min(later)
    await _read(stream, recorded, 6)


class SkewedWriter(Writer):
    """Writes on a machine whose clock is off."""

    off = timedelta()

    def row(self, subject: str, version: int, audience: Sequence[str]) -> dict[str, Any]:
        row = super().row(subject, version, audience)
        event = self.kind.event.FromString(row["data"])
        event.metadata.time.FromDatetime(event.metadata.time.ToDatetime() + self.off)
        return {**row, "data": event.SerializeToString()}


@pytest.mark.parametrize("minutes", [5, -5])
async def test_a_writers_clock_may_be_off(scene: Scene, minutes: int) -> None:
    skewed = SkewedWriter(scene.connect(), scene.kind, scene.history.writers)
    skewed.off = timedelta(minutes=minutes)
    subscriber = scene.history.subscriber("peer")
    async with serving(scene.dsn, kind=scene.kind) as silo:
        stream, recorded = silo.subscribe(LATEST), subscriber.opened(Origin.LATEST)
        received = await _read(stream, recorded, 0)
        for turn in range(1, 4):  # one and the same trip, by turns
            scene.written("T1")
            skewed.change("T1")
            skewed.commit()
            received += await _read(stream, recorded, 2 * turn)
        half = next(each for each in received if each.position >= 3)
        await _read(silo.subscribe(after(half)), subscriber.opened(half.position), 6)
    times = [event.metadata.time.ToDatetime() for event in events(received)]
    assert times != sorted(times)
    assert scene.events() == [f"T1 v{version}" for version in range(1, 7)]
