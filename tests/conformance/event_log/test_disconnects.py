"""Wherever a stream breaks off, the next one goes on: every frame's token resumes behind it.

Proves events.md section 1, Resumable, for each kind of frame there is. Disconnects by the hundred
are in tests/soak.
"""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common

from chassis.stream_ring import Ring
from tests.support import oracle
from tests.support.event_streams import (
    EARLIEST,
    Silo,
    after,
    kinds,
    serving,
    until_head,
    until_kind,
)
from tests.support.event_writers import Scene
from tests.support.histories import Origin, read_log
from tests.support.profiles import count

SOON = Duration(nanos=50_000_000)
KINDS = {"started", "batch", "bookmark", "caught_up", "fell_behind", "stream_end"}


async def _whole(silo: Silo, start: common.StartPosition, **fields: Any) -> Any:
    """Read from ``start`` to the head, one event or two to the frame."""
    stream = silo.subscribe(start, stop_at_head=True, max_batch_events=2, **fields)
    return [frame async for frame in stream]


async def _announced(silo: Silo, chance: Random, transactions: int) -> int:
    sizes = [chance.randint(1, 5) for _ in range(transactions)]
    for size in sizes:
        await silo.announce(*(silo.kind.announcement() for _ in range(size)))
    return sum(sizes)


async def _every_kind(silo: Silo, chance: Random, transactions: int) -> Any:
    """Follow a log through all that a stream can say; return its frames."""
    head = await _announced(silo, chance, transactions)
    await until_head(silo, head)
    stream = silo.subscribe(EARLIEST, max_batch_events=2, heartbeat_duration=SOON)
    received = await until_kind(stream, "caught_up")
    received += await until_kind(stream, "bookmark")
    await silo.announce(*(silo.kind.announcement() for _ in range(20)))  # more than the ring holds
    received += await until_kind(stream, "fell_behind")
    received += await until_kind(stream, "caught_up")
    stream.cancel()
    return received


async def test_every_frame_resumes_exactly_behind_itself(scene: Scene) -> None:
    seed = Random().randrange(10_000)  # noqa: S311 - repeatable, not secret
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    record = scene.history.subscriber(scene.kind.peer)
    async with serving(scene.dsn, Ring(slots=8), kind=scene.kind) as silo:
        first = await _every_kind(silo, Random(seed), count(12, 200))  # noqa: S311
        second = await _whole(silo, EARLIEST)
        assert set(kinds(first) + kinds(second)) == KINDS
        for received in (first, second):
            stream = record.opened(Origin.EARLIEST)
            for frame in received:
                stream.frame(frame)
        for frame in [*first, *second]:
            resumed = record.opened(frame.position)
            for each in await _whole(silo, after(frame)):
                resumed.frame(each)
    scene.history.log, scene.history.is_whole = read_log(scene.admin), False
    assert oracle.check(scene.history) == []
