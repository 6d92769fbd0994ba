"""One open stream: a coroutine and a cursor, fed from the ring or, further back, from pages."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import event_log_pb2 as pb

from chassis import event_log_metrics as metrics
from chassis import stream_frames as frames
from chassis import stream_traces
from chassis.backoff import around
from chassis.event_log_errors import LogUnavailable, SubscriberStalled
from chassis.resume_tokens import Lineage
from chassis.stream_entries import Entry, Interest
from chassis.stream_frames import Chunk, Limits, SharedFrames
from chassis.stream_pages import Pages
from chassis.stream_standings import Standing
from chassis.stream_tailer import Tailer

STALLED_SECONDS = 600.0
AGE_SECONDS = 1800.0
RECHECK_SECONDS = 5.0
SKIPPED = 1_000  # events filtered out before the reader is told how far the stream is
WINDOW = 4_096  # entries of the ring looked at for one frame
RECONNECT_SECONDS = 2.0

Write = Callable[[bytes], Awaitable[None]]
Recheck = Callable[[], Interest]


@dataclass(slots=True)
class Source:
    """What all streams of a process read from; ``draining`` ends every one of them.

    ``open`` counts those streams: together they hold a bounded amount of memory.
    """

    tailer: Tailer
    pages: Pages
    replica: str
    shared: SharedFrames = field(default_factory=SharedFrames)
    draining: bool = False
    open: int = 0

    def drain(self) -> None:
        self.draining = True
        self.tailer.wake()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asked for, and where the log's ``head`` was when it asked.

    ``is_snapshot``: it has seen the rows of that moment, and no position yet.
    """

    interest: Interest
    limits: Limits
    heartbeat: float
    head: int = 0
    stop_at_head: bool = False
    is_snapshot: bool = False
    generation: int = 0  # of the tailer, before it was found out where to begin
    age: float = AGE_SECONDS
    stalled: float = STALLED_SECONDS


class Subscription:
    """Delivers everything behind ``cursor``, once and in order, until a reason ends it."""

    def __init__(
        self, source: Source, wish: Wish, cursor: int, write: Write, recheck: Recheck
    ) -> None:
        self._source = source
        self._wish = wish
        self._interest = wish.interest
        self._cursor = cursor  # everything up to here has been looked at
        self._told = 0 if wish.is_snapshot else cursor  # and the reader knows it up to here
        self._out = write
        self._recheck = recheck
        self.standing = Standing()  # replaced by whoever counts open streams
        self._clock = asyncio.get_running_loop().time
        self._ends_at = self._clock() + around(wish.age, 0.1)
        self._recheck_at = self._clock() + around(RECHECK_SECONDS, 0.1)
        self._beat_at = 0.0

    async def run(self, opening: pb.Started | pb.SnapshotEnd) -> None:
        """Serve until drained, old, or at the head asked for; raises refusals of the log."""
        self._source.open += 1
        try:
            await self._tell(opening)
            del opening  # a stream lives long, and there are many of them
            await self._serve()
        finally:
            self._source.open -= 1

    async def _serve(self) -> None:
        while (reason := self._reason()) is None:
            self._recheck_when_due()
            await self._step()
        wait = frames.duration(random.uniform(0, RECONNECT_SECONDS))  # noqa: S311 - spreads load
        await self._tell(pb.StreamEnd(reason=reason, reconnect_duration=wait))

    def _reason(self) -> pb.StreamEndReason.ValueType | None:
        if self._source.draining:
            return pb.STREAM_END_REASON_DRAINING
        if self._wish.stop_at_head and self._cursor >= self._wish.head:
            return pb.STREAM_END_REASON_HEAD_REACHED
        return pb.STREAM_END_REASON_MAX_AGE if self._clock() >= self._ends_at else None

    async def _step(self) -> None:
        """Send what comes next, or wait for it. The floor is looked at first, every time."""
        tailer = self._source.tailer
        self._lineage()
        if tailer.fault is not None:
            raise tailer.fault
        if self._cursor >= tailer.ring.tail:
            await self._idle()
        elif self._cursor + 1 >= tailer.ring.floor:
            metrics.RING_HITS.inc()
            await self._send(*self._from_ring())
        else:
            await self._fall_behind()
            await self._send(*await self._from_page())

    async def _idle(self) -> None:
        # Where it is not at the head yet, the tailer has still to see it.
        if not self.standing.is_live and self._cursor >= self._wish.head:
            self.standing.is_live = True
            await self._tell(pb.CaughtUp(server_time=self._complete_until()))
            return
        await self._source.tailer.moved(min(self._beat_at, self._ends_at, self._recheck_at))
        await self._beat_when_due()

    async def _fall_behind(self) -> None:
        if self.standing.is_live:
            self.standing.is_live = False
            await self._tell(pb.FellBehind(head_position=self._source.tailer.ring.tail))

    def _from_ring(self) -> tuple[Chunk, bytes]:
        """Cut the next frame out of the ring; equal streams at one place share the work."""
        ring, limits, after = self._source.tailer.ring, self._limits(), self._cursor
        end = min(ring.tail, after + WINDOW)

        def make() -> tuple[Chunk, bytes]:
            matching = filter(self._interest.covers, ring.between(after, end))
            # One more than fits tells where the next frame begins; the rest is not looked at.
            return self._frame(list(islice(matching, limits.events + 1)), end, limits)

        key = (after, self._told, end, self._interest, limits, self._wish.generation)
        return self._source.shared.get(key, make)

    async def _from_page(self) -> tuple[Chunk, bytes]:
        tail, limits = self._source.tailer.ring.tail, self._limits()
        found, end = await self._source.pages.read(
            self._cursor, tail, self._interest, limits.events
        )
        return self._frame(found, end, limits)

    def _limits(self) -> Limits:
        return self._wish.limits.among(self._source.open)

    def _frame(self, matching: Sequence[Entry], end: int, limits: Limits) -> tuple[Chunk, bytes]:
        chunk = frames.cut(matching, self._cursor, end, limits)
        if not chunk.entries:
            return chunk, b""
        return chunk, frames.batch(chunk, self._told, self._lineage())

    async def _send(self, chunk: Chunk, frame: bytes) -> None:
        self._cursor = chunk.end
        if frame:
            with stream_traces.delivering(chunk.entries, self._interest):
                await self._write(frame)
        elif self._cursor - self._told >= SKIPPED:
            await self._bookmark()
        else:
            await self._beat_when_due()

    async def _beat_when_due(self) -> None:
        """Send a heartbeat at its time, events or not: only bookmarks tell what is complete."""
        if self._clock() >= self._beat_at:
            await self._bookmark()

    async def _bookmark(self) -> None:
        lineage, tail = self._lineage(), self._source.tailer.ring.tail
        mark = pb.Bookmark(
            head_position=max(lineage.last, tail),
            earliest_position=lineage.first,
            server_time=self._complete_until(),
        )
        await self._tell(mark)

    def _complete_until(self) -> Timestamp | None:
        """Return by when everything committed is behind the cursor; None while it is on its way.

        Readers conclude from it that something will not come any more, so the clock alone will
        not do: with its database away, this process does not know what has been committed.
        """
        return self._source.tailer.completeness.until(self._cursor)

    def _lineage(self) -> Lineage:
        """Return the log as it is tailed, unless it was cut back since this stream began.

        Sealed into a life that the cursor is not of, a token would lead into the wrong events.
        """
        if self._source.tailer.generation != self._wish.generation:
            raise LogUnavailable  # the reader's own token decides
        return self._source.tailer.lineage

    def _recheck_when_due(self) -> None:
        """Ask again who the reader is: what it may no longer see, it no longer gets."""
        if self._clock() >= self._recheck_at:
            self._interest = self._recheck()
            self._recheck_at = self._clock() + around(RECHECK_SECONDS, 0.1)

    async def _tell(self, message: Message) -> None:
        await self._write(frames.control(message, self._cursor, self._told, self._lineage()))
        self._beat_at = self._clock() + around(self._wish.heartbeat, 0.1)

    async def _write(self, frame: bytes) -> None:
        """Hand the frame over; a reader that does not read makes this wait, and nothing else."""
        began = self.standing.blocked_since = time.monotonic()
        try:
            async with asyncio.timeout(self._wish.stalled):
                await self._out(frame)
        except TimeoutError:
            raise SubscriberStalled from None
        self.standing.blocked_since = None
        metrics.WRITE_BLOCKED.observe(time.monotonic() - began)
        self._told = self._cursor
