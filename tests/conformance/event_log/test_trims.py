"""A log that is trimmed under its readers: everything arrives, or the reader is told, never a hole.

Proves events.md 14.11: fifty readers catch up through pages while partitions are dropped; each ends
at the head with all that followed its start, or with RESUME_POINT_COMPACTED and the earliest token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import psycopg
import pytest
from medport.common.v1 import event_log_pb2 as common
from psycopg.errors import LockNotAvailable

from chassis.event_log_connections import connect
from chassis.event_log_errors import ResumePointCompacted
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_ring import Ring
from chassis.stream_subscriptions import Subscription, Wish
from tests.support.databases import superuser_of
from tests.support.event_logs import add
from tests.support.event_streams import (
    EARLIEST,
    Silo,
    after,
    frames,
    positions,
    serving,
    until_head,
    until_kind,
)
from tests.support.profiles import count
from tests.support.refusals import refusal
from tests.support.silo_logs import Kind
from tests.support.waiting import until_blocked

SIZE = 10  # positions of a partition
READERS = 50
SMALL_PARTITIONS = f"""
DROP TABLE event_log_p0, event_log_p1, event_log_p2; SELECT event_log_extend(3, {SIZE})
"""


@pytest.fixture
async def silo(kind: Kind, database: str) -> AsyncIterator[Silo]:
    """Serve a log of small partitions; its ring is too small to spare anybody the pages."""
    async with serving(add(database, SMALL_PARTITIONS), Ring(slots=8), kind=kind) as served:
        yield served


@dataclass
class Reader:
    """One that catches up, ``batch`` events to the frame, and remembers what it was sent."""

    silo: Silo
    start: int
    batch: int
    begun: asyncio.Semaphore
    seen: list[int] = field(default_factory=list)

    async def write(self, frame: bytes) -> None:
        received = self.silo.kind.pb.SubscribeResponse.FromString(frame)
        if not self.seen and received.HasField("batch"):
            self.begun.release()
        self.seen += [event.placement.position for event in received.batch.events]
        await asyncio.sleep(0)  # what a network does: the others, and the trim, come in between

    async def read(self, head: int) -> None:
        interest = Interest(frozenset({f"silo:{self.silo.kind.peer}"}))
        limits = Limits(events=self.batch)
        wish = Wish(interest, limits, heartbeat=5, head=head, stop_at_head=True)
        source = self.silo.publishing.source
        stream = Subscription(source, wish, self.start, self.write, lambda: interest)
        await stream.run(common.Started())


async def _grow(silo: Silo, head: int) -> int:
    """Announce three partitions' worth of events; return the new head."""
    async with await connect(superuser_of(silo.dsn)) as owner:
        await owner.execute("SELECT event_log_extend(5, %s)", [SIZE])
    await silo.announce(*(silo.kind.announcement() for _ in range(3 * SIZE)))
    return (await until_head(silo, head + 3 * SIZE)).head_position


async def _trim(silo: Silo) -> int:
    """Drop every partition that is full, as soon as no lock is in the way; return the floor."""
    async with await connect(silo.dsn) as owner:
        while True:
            try:
                cursor = await owner.execute("SELECT event_log_trim('0', '0', %s)", [SIZE])
            except LockNotAvailable:
                continue
            row = await cursor.fetchone()
            assert row is not None
            return int(row[0])


async def _round(silo: Silo, chance: Random, floor: int, head: int) -> tuple[int, int, int]:
    """Trim under fifty readers; return the floor, and how many of them were overtaken by it."""
    starts = [chance.randrange(floor - 1, head) for _ in range(READERS)]
    begun = asyncio.Semaphore(0)
    readers = [Reader(silo, start, chance.randint(1, SIZE), begun) for start in starts]
    reading = [asyncio.create_task(each.read(head)) for each in readers]
    for _ in range(chance.randint(1, READERS)):
        await begun.acquire()
    first = await _trim(silo)
    ends = await asyncio.gather(*reading, return_exceptions=True)
    for reader, end in zip(readers, ends, strict=True):
        last = reader.start + len(reader.seen)
        assert reader.seen == list(range(reader.start + 1, last + 1)), "a silent hole"
        if end is None:
            assert last == head
            continue
        assert isinstance(end, ResumePointCompacted), end
        assert int(end.facts["earliest_position"]) == first > last + 1
        earliest = bytes.fromhex(end.facts["earliest_token"])
        assert (await silo.publishing.source.pages.lineage()).position(earliest) == first - 1
    return first, sum(end is not None for end in ends), len(ends)


async def test_each_reader_has_everything_or_is_told(silo: Silo) -> None:
    seed = Random().randrange(10_000)  # noqa: S311 - repeatable, not secret
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    chance, floor, head, overtaken, all_of_them = Random(seed), 1, 0, 0, 0  # noqa: S311
    for _ in range(count(20, 500)):
        head = await _grow(silo, head)
        floor, late, many = await _round(silo, chance, floor, head)
        overtaken, all_of_them = overtaken + late, all_of_them + many
    assert 0 < overtaken < all_of_them  # both ends were met


async def test_what_is_no_longer_kept_is_refused_and_never_skipped(silo: Silo) -> None:
    head = await _grow(silo, 0)
    stream = silo.subscribe(EARLIEST)
    early = (await until_kind(stream, "caught_up"))[0]
    stream.cancel()
    floor = await _trim(silo)
    reason, facts = await refusal(silo.subscribe(after(early)))
    assert (reason, facts["earliest_position"]) == ("RESUME_POINT_COMPACTED", str(floor))
    token = bytes.fromhex(facts["earliest_token"])
    for start in (EARLIEST, common.StartPosition(resume_token=token)):
        stream = silo.subscribe(start)
        assert positions(await until_kind(stream, "caught_up")) == list(range(floor, head + 1))
        stream.cancel()


async def test_a_page_that_a_trim_overtook_is_discarded(silo: Silo) -> None:
    await _grow(silo, 0)
    interest = Interest(frozenset({f"silo:{silo.kind.peer}"}))
    with psycopg.connect(superuser_of(silo.dsn)) as trimmer:
        trimmer.execute("LOCK TABLE event_log IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(silo.publishing.source.pages.read(0, 30, interest, 50))
        await until_blocked(silo.dsn, 2)  # the page, and the tailer's poll
        trimmer.execute("SELECT event_log_trim('0', '0', %s)", [SIZE])
        trimmer.commit()
        with pytest.raises(ResumePointCompacted):
            await reading


async def test_a_stream_that_is_live_notices_nothing_of_a_trim(silo: Silo) -> None:
    stream = silo.subscribe(EARLIEST)
    await until_kind(stream, "caught_up")
    head = await _grow(silo, 0)
    seen = positions(await until_kind(stream, "caught_up"))
    await _trim(silo)
    await silo.announce(silo.kind.announcement())
    seen += positions(await frames(stream, 1))
    assert seen == list(range(1, head + 2))
    stream.cancel()
