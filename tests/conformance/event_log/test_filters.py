"""A reader of one event in a thousand: it gets each, and is told the truth about the others.

Proves events.md 14.10: nothing at or below a bookmark arrives later, and whoever resumes from any
bookmark misses nothing. A filter is what the caller asks for within what it may see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common

from chassis.outbox import Announcement
from chassis.stream_ring import Ring
from tests.support import oracle
from tests.support.event_streams import (
    EARLIEST,
    Silo,
    after,
    events,
    frames,
    kinds,
    positions,
    serving,
    until_head,
    until_kind,
)
from tests.support.event_writers import Scene
from tests.support.histories import Filter, Origin, read_log
from tests.support.profiles import count
from tests.support.silo_logs import Kind, signing_key

BURST = 50
RARE = 1_000  # one event in so many is wanted
WANTED = common.EventFilter(subjects=["subjects/wanted"])
SOON = Duration(nanos=10_000_000)
FOREIGN = ("role:center_admin",)


def _burst(kind: Kind, number: int) -> Sequence[Announcement]:
    """Make events that nobody wants, every tenth time with one that somebody does."""
    burst = [kind.announcement() for _ in range(BURST - 1)]
    version, rest = divmod(number, RARE // BURST)
    is_wanted = rest == RARE // BURST // 2
    last = kind.announcement("subjects/wanted", version + 1) if is_wanted else kind.announcement()
    return [*burst, last]


async def _bookmarked(silo: Silo, stream: Any, bursts: int) -> list[Any]:
    """Announce so many bursts, each until a bookmark lies behind it; return the reader's frames."""
    received = await until_kind(stream, "caught_up")
    for number in range(bursts):
        await silo.announce(*_burst(silo.kind, number))
        while received[-1].position < (number + 1) * BURST or not received[-1].HasField("bookmark"):
            received += await frames(stream, 1)
    return received


async def test_nothing_is_missing_behind_any_bookmark(scene: Scene) -> None:
    asked = Filter(keys=frozenset({f"silo:{scene.kind.peer}"}), subjects=frozenset(WANTED.subjects))
    record = scene.history.subscriber("rare", asked)
    async with serving(scene.dsn, Ring(slots=1_024), kind=scene.kind) as silo:
        stream = silo.subscribe(EARLIEST, filter=WANTED, heartbeat_duration=SOON)
        received = await _bookmarked(silo, stream, count(100, 1_000))
        stream.cancel()
        noted = record.opened(Origin.EARLIEST)
        for frame in received:
            noted.frame(frame)
        assert len(events(received)) >= count(4, 45)  # its silence would prove nothing
        for mark in (frame for frame in received if frame.HasField("bookmark")):
            resumed = record.opened(mark.position)
            async for frame in silo.subscribe(after(mark), filter=WANTED, stop_at_head=True):
                resumed.frame(frame)
    scene.history.log, scene.history.is_whole = read_log(scene.admin), False
    assert oracle.check(scene.history) == []


async def test_a_filtered_reader_is_told_how_far_the_stream_is(served: Silo) -> None:
    await served.announce(*(served.kind.announcement() for _ in range(1_200)))
    await until_head(served, 1_200)
    stream = served.subscribe(EARLIEST, filter=WANTED)
    received = await until_kind(stream, "caught_up")
    stream.cancel()
    assert kinds(received) == ["started", "bookmark", "caught_up"]
    assert received[1].position == 1_200


async def _matching(silo: Silo, **filters: Sequence[str]) -> list[int]:
    filter = common.EventFilter(**filters)
    stream = silo.subscribe(EARLIEST, filter=filter, stop_at_head=True)
    streamed = positions([frame async for frame in stream])
    request = silo.kind.pb.ListEventsRequest(filter=filter)
    listed = (await silo.stub.ListEvents(request)).events
    assert [event.placement.position for event in listed] == streamed
    return streamed


async def test_filters_deliver_every_match_and_nothing_else(served: Silo) -> None:
    one, two, hidden = (served.kind.announcement(f"subjects/{name}") for name in "ABC")
    await served.announce(one, two, replace(hidden, audience=FOREIGN))
    other = signing_key(served.kind)
    await served.announce(replace(other, subject=one.subject, subject_version=2))
    await until_head(served, 4)
    ours, theirs = served.kind.type, other.event.DESCRIPTOR.full_name
    assert await _matching(served) == [1, 2, 4]
    assert await _matching(served, subjects=["subjects/A"]) == [1, 4]
    assert await _matching(served, types=[ours]) == [1, 2]
    assert await _matching(served, types=[ours, theirs], subjects=["subjects/A"]) == [1, 4]
    assert await _matching(served, types=[theirs], subjects=["subjects/B"]) == []
    assert await _matching(served, subjects=["subjects/C"]) == []


async def test_a_live_filter_lets_through_what_matches_alone(served: Silo) -> None:
    stream = served.subscribe(EARLIEST, filter=WANTED)
    await frames(stream, 2)
    wanted = served.kind.announcement("subjects/wanted")
    await served.announce(served.kind.announcement(), wanted, served.kind.announcement())
    await served.announce(replace(wanted, subject_version=2))
    received: list[Any] = []
    async with asyncio.timeout(10):
        while len(events(received)) < 2:
            received += await frames(stream, 1)
    stream.cancel()
    assert [event.metadata.subject for event in events(received)] == ["subjects/wanted"] * 2
