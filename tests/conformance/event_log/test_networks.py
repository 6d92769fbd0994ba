"""What a network does to a subscriber: silence both ways or one, resets, cuts (events.md, 14.7).

Proves: a subscriber, and a consumer, find a silent path within three heartbeats, a broken one at
once, and go on without a gap or a repeat; the server finds it by its pings and lets the stream go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, islice

import pytest

from chassis import channels
from tests.support import oracle
from tests.support.event_consumers import LEDGER, Consumer, consuming
from tests.support.event_logs import add
from tests.support.event_streams import Silo, open_streams, serving
from tests.support.event_writers import Scene
from tests.support.fault_proxy import FaultProxy, Way, in_front_of
from tests.support.histories import read_log
from tests.support.profiles import count
from tests.support.recording import Recording, anywhere, following

HEARTBEAT = 0.3
FOUND = 3 * HEARTBEAT + 2.0  # and the time to connect, on a machine that does other things too
PINGED = 1.5 + 3.0  # a ping a second, an answer within half of one: likewise
# Production's arguments, whose pings come once a minute: too rare for a test.
PINGS = {"grpc.keepalive_time_ms": 1_000, "grpc.http2.ping_timeout_ms": 500}
SERVER: channels.Options = tuple((name, PINGS.get(name, it)) for name, it in channels.SERVER)


@dataclass
class Wired:
    """One log, and two who follow it through one network."""

    scene: Scene
    silo: Silo
    proxy: FaultProxy
    recording: Recording
    consumer: Consumer
    head: int = 0

    async def announce(self, size: int) -> None:
        self.head += size
        await self.silo.announce(*(self.scene.kind.announcement() for _ in range(size)))

    async def everything_is_there(self) -> None:
        await self.recording.until_at(self.head, FOUND)
        await self.consumer.until_at(self.head, FOUND)


@pytest.fixture
async def wired(scene: Scene, peer_database: str) -> AsyncIterator[Wired]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        silo = await enter(serving(scene.dsn, kind=scene.kind, options=SERVER))
        proxy = await enter(in_front_of(silo.port))
        record = scene.history.subscriber(scene.kind.peer)
        recording = Recording(scene.kind, record, anywhere(proxy.listening), HEARTBEAT)
        await enter(following(recording))
        consumer = await enter(consuming(add(peer_database, LEDGER)))
        await consumer.follow_at(proxy.listening, heartbeat=HEARTBEAT, kind=scene.kind)
        yield Wired(scene, silo, proxy, recording, consumer)


async def _silence(wired: Wired) -> None:
    wired.proxy.swallow(Way.BOTH)
    await wired.announce(3)
    await wired.everything_is_there()
    # Two live streams, and two that only the server's pings tell from live ones.
    assert wired.recording.ends.pop("SILENT") == 1


async def _silence_of_the_server(wired: Wired) -> None:
    wired.proxy.swallow(Way.DOWN)
    await wired.announce(3)
    await wired.everything_is_there()
    assert wired.recording.ends.pop("SILENT") == 1


async def _silence_of_the_subscriber(wired: Wired) -> None:
    wired.proxy.swallow(Way.UP)
    await wired.announce(3)
    await wired.everything_is_there()
    await wired.recording.until(lambda: bool(wired.recording.ends), PINGED)
    assert wired.recording.ends.pop("UNAVAILABLE") == 1


async def _reset(wired: Wired) -> None:
    wired.proxy.reset()
    await wired.announce(3)
    await wired.everything_is_there()
    assert wired.recording.ends.pop("UNAVAILABLE") == 1


async def _cut(wired: Wired) -> None:
    await wired.proxy.cut()
    await wired.announce(3)
    await wired.recording.until(lambda: wired.recording.ends["UNAVAILABLE"] >= 1)
    await wired.proxy.open()
    await wired.everything_is_there()
    wired.recording.ends.pop("UNAVAILABLE")


FAULTS = (_silence, _silence_of_the_server, _silence_of_the_subscriber, _reset, _cut)
Fault = Callable[[Wired], Awaitable[None]]


async def test_broken_paths_are_found_and_nothing_is_lost(wired: Wired) -> None:
    for fault in islice(cycle(FAULTS), count(5, 60)):
        await wired.announce(2)
        await wired.everything_is_there()
        await fault(wired)
        assert not wired.recording.ends, f"{fault.__name__}: streams ended that need not"
        await _until_streams(2)

    await wired.recording.until_at(wired.head)
    wired.scene.history.log = read_log(wired.scene.admin)
    wired.scene.history.ledger(wired.scene.kind.peer).effects(
        wired.consumer.admin.execute("SELECT event_id, position FROM ledger ORDER BY entry")
    )
    wired.scene.history.is_whole = False
    assert oracle.check(wired.scene.history) == []


async def _until_streams(expected: int) -> None:
    """Return once the server holds the live streams and none beside them."""
    async with asyncio.timeout(PINGED):
        while open_streams() != expected:  # noqa: ASYNC110 - the server's own state
            await asyncio.sleep(0.01)
