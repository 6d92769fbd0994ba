"""Streams between the ring and the pages: to and fro a thousand times, each event once, in order.

Proves events.md 14.8 with a ring of eight slots, bursts that overrun it, and readers that sleep: a
slow reader falls back to pages, comes back, and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from medport.common.v1 import event_log_pb2 as common

from chassis.outbox import Announcement
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_ring import Ring
from chassis.stream_subscriptions import Subscription, Wish
from tests.support import oracle
from tests.support.event_streams import EARLIEST, Silo, frames, positions, serving, until_kind
from tests.support.event_writers import Scene
from tests.support.histories import Origin, Stream, read_log
from tests.support.profiles import count
from tests.support.recording import Recording, anywhere, following
from tests.support.silo_logs import Kind, signing_key

STRING = FieldDescriptor.TYPE_STRING
SLOTS = 8
READERS = 10
SLEEPERS = 4
TRANSITIONS = count(1_000, 20_000)


@pytest.fixture
async def small(scene: Scene) -> AsyncIterator[Silo]:
    """Serve the scene's log from a ring that one transaction overruns."""
    async with serving(scene.dsn, Ring(slots=SLOTS), kind=scene.kind) as silo:
        yield silo


@dataclass
class Sleeper:
    """A reader that takes a frame only while it is awake."""

    kind: Kind
    noted: Stream
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    edges: list[str] = field(default_factory=list)
    position: int = 0

    async def write(self, frame: bytes) -> None:
        await self.awake.wait()
        received = self.kind.pb.SubscribeResponse.FromString(frame)
        self.noted.frame(received)
        self.position = received.position
        if (kind := received.WhichOneof("frame")) in {"caught_up", "fell_behind"}:
            self.edges.append(kind)

    async def run(self, silo: Silo) -> None:
        interest = Interest(frozenset({f"silo:{self.kind.peer}"}))
        wish = Wish(interest, Limits(), heartbeat=5)
        source = silo.publishing.source
        await Subscription(source, wish, 0, self.write, lambda: interest).run(common.Started())


def _turn(sleepers: list[Sleeper], chance: Random) -> None:
    for sleeper in sleepers:
        if chance.random() < 0.5:
            sleeper.awake.set()
        else:
            sleeper.awake.clear()


async def _until_transitions(silo: Silo, readers: list[Recording], sleepers: list[Sleeper]) -> int:
    """Announce bursts, of which each overruns the ring; return where the log ends."""
    seed = Random().randrange(10_000)  # noqa: S311 - repeatable, not secret
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    chance, head = Random(seed), 0  # noqa: S311
    while sum(map(_transitions, readers)) + sum(map(_transitions, sleepers)) < TRANSITIONS:
        size = chance.randint(SLOTS + 1, 3 * SLOTS)
        _turn(sleepers, chance)
        await silo.announce(*(silo.kind.announcement() for _ in range(size)))
        head += size
        for reader in readers:  # whatever the sleepers do
            await _live(reader, head)
    return head


def _transitions(reader: Recording | Sleeper) -> int:
    return len(reader.edges)


async def _live(reader: Recording, head: int) -> None:
    await reader.until(lambda: reader.position >= head and reader.is_live)


async def test_a_thousand_times_behind_and_live_again(scene: Scene, small: Silo) -> None:
    history = scene.history
    readers = [
        Recording(scene.kind, history.subscriber(f"reader{number}"), anywhere(small.port))
        for number in range(READERS)
    ]
    sleepers = [
        Sleeper(scene.kind, history.subscriber(f"sleeper{number}").opened(Origin.EARLIEST))
        for number in range(SLEEPERS)
    ]
    asleep = [asyncio.create_task(each.run(small)) for each in sleepers]
    async with following(*readers):
        for reader in readers:
            await _live(reader, 0)
        head = await _until_transitions(small, readers, sleepers)
        for sleeper in sleepers:
            sleeper.awake.set()
        async with asyncio.timeout(20):
            while any(each.position < head for each in sleepers):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    for task in asleep:
        task.cancel()
    await asyncio.gather(*asleep, return_exceptions=True)

    for edges in [*(each.edges for each in readers), *(each.edges for each in sleepers)]:
        assert all(one != other for one, other in pairwise(edges)), edges
        assert edges.count("fell_behind") > 1
    history.log, history.is_whole = read_log(scene.admin), False
    assert oracle.check(history) == []


def _large(kind: Kind) -> Announcement:
    announced = signing_key(kind)
    event: Any = announced.event
    event.key_name = "x" * 10_000
    return announced


async def test_who_does_not_read_falls_back_to_pages_and_holds_up_nobody(small: Silo) -> None:
    stalled, other = small.subscribe(EARLIEST), small.subscribe(EARLIEST)
    for stream in (stalled, other):
        await until_kind(stream, "caught_up")
    seen: list[Any] = []
    for _ in range(60):  # 600 kB: more than the connection takes of what nobody reads
        await small.announce(_large(small.kind))
        seen += await until_kind(other, "batch", seconds=3)
    assert positions(seen) == list(range(1, 61))
    late: list[Any] = []
    while len(positions(late)) < 60:
        late += await frames(stalled, 1)
    assert positions(late) == list(range(1, 61))
    assert any(frame.HasField("fell_behind") for frame in late)
    stalled.cancel()
    other.cancel()
