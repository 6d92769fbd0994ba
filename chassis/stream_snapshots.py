"""Sends a silo's current rows as events, to a reader whose place the log no longer keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from google.protobuf.message import Message
from psycopg import OperationalError

from chassis import resume_tokens
from chassis import stream_frames as frames
from chassis.event_log_errors import LogUnavailable, StreamLimit, SubscriberStalled
from chassis.outbox import Announcement, Envelope
from chassis.pool import Pool
from chassis.resume_tokens import Lineage
from chassis.stream_entries import Entry, Interest, unplaced
from chassis.stream_frames import Limits
from chassis.stream_pages import CHECKOUT_SECONDS
from chassis.unit_of_work import UnitOfWork

AT_ONCE = 2  # of the connections that pages read with; the others stay theirs
SECONDS = 60.0  # dead rows that the snapshot keeps slow the sequencer down (events.md, section 4)
STALLED_SECONDS = 20.0

# It waits for its reader, hence idles: the pool's own bound on that would end it after 5 s.
_BEGIN = (
    b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    b" SET LOCAL idle_in_transaction_session_timeout = '60s'"
)

# Yields each current row as its snapshot payload, with the subject and version of its latest
# event and with the audience that hears of it. It turns to each tenant with ``uow.use_tenant``.
Current = Callable[[UnitOfWork], AsyncGenerator[Announcement, None]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a silo's composition root supplies: its rows, and how its events are wrapped."""

    envelope: Envelope
    current: Current


@dataclass(slots=True)
class Reader:
    """Whom a snapshot is sent to; ``recheck`` says, ever again, what that one may see."""

    write: Callable[[bytes], Awaitable[None]]
    recheck: Callable[[], Interest]
    limits: Limits
    heartbeat: float
    stalled: float = STALLED_SECONDS
    count: int = 0
    _batch: list[Entry] = field(default_factory=list)
    _bytes: int = 0
    _beat_at: float = 0.0

    async def start(self, started: Message) -> None:
        await self._send(frames.unplaced(started))

    async def take(self, entry: Entry, interest: Interest) -> bool:
        """Send ``entry`` if it is for this reader; return whether a frame went out."""
        if interest.covers(entry):
            self._batch.append(entry)
            self._bytes += len(entry.wire)
        full = len(self._batch) >= self.limits.events or self._bytes >= self.limits.bytes
        # Rows that are for others take time too: an empty frame says that more may come.
        if full or asyncio.get_running_loop().time() >= self._beat_at:
            await self.flush()
            return True
        return False

    async def flush(self) -> None:
        self.count += len(self._batch)
        batch, self._batch, self._bytes = self._batch, [], 0
        await self._send(frames.unplaced_batch(batch))

    async def _send(self, frame: bytes) -> None:
        """Write, but not for as long as a stream may: behind this write waits a transaction."""
        try:
            async with asyncio.timeout(self.stalled):
                await self.write(frame)
        except TimeoutError:
            raise SubscriberStalled from None
        self._beat_at = asyncio.get_running_loop().time() + self.heartbeat


class Snapshots:
    """At most ``AT_ONCE`` are under way in a process, each for at most ``seconds``."""

    def __init__(self, pool: Pool, snapshot: Snapshot, seconds: float = SECONDS) -> None:
        self._pool = pool
        self._snapshot = snapshot
        self._seconds = seconds
        self._under_way = 0

    async def send(self, reader: Reader, started: Callable[[Lineage], Message]) -> Lineage:
        """Send Started and every row; return the log as it stood where the rows were read.

        What committed by then is in the rows. What they show beyond the log's head, because it
        had no position yet, follows once more as events: its versions tell.
        Raises StreamLimit, SubscriberStalled or LogUnavailable.
        """
        if self._under_way >= AT_ONCE:
            raise StreamLimit
        self._under_way += 1
        try:
            async with asyncio.timeout(self._seconds), self._begin() as (lineage, uow):
                await reader.start(started(lineage))
                await self._rows(reader, uow)
                return lineage
        except (OperationalError, TimeoutError) as lost:
            raise LogUnavailable from lost
        finally:
            self._under_way -= 1

    async def _rows(self, reader: Reader, uow: UnitOfWork) -> None:
        interest = reader.recheck()
        async with aclosing(self._snapshot.current(uow)) as rows:
            async for row in rows:
                entry = unplaced(**self._snapshot.envelope.current(row))
                if await reader.take(entry, interest):
                    interest = reader.recheck()
        await reader.flush()

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[tuple[Lineage, UnitOfWork]]:
        async with self._pool.connection(timeout=CHECKOUT_SECONDS) as connection:
            await connection.execute(_BEGIN, prepare=False)
            uow = UnitOfWork(connection, self._snapshot.envelope, None)
            # The transaction's first read: from here on the head and the rows are of one moment.
            yield resume_tokens.lineage(await uow.all(resume_tokens.READ)), uow
