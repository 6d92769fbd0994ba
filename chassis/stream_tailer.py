"""Follows the log's end, once per process, and tells every stream of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import args_row

from chassis import event_log_metrics as metrics
from chassis import resume_tokens, telemetry
from chassis.errors import Refusal
from chassis.event_log import tick
from chassis.event_log_connections import HUNG_SECONDS, keep_connected
from chassis.event_log_errors import LogCorrupt, LogUnavailable
from chassis.event_log_signals import Signal
from chassis.resume_tokens import Lineage
from chassis.stream_completeness import Completeness, Look
from chassis.stream_entries import COLUMNS, Entry, entry
from chassis.stream_frames import now
from chassis.stream_ring import Ring
from chassis.within import within

BATCH = 500
LINEAGE_SECONDS = 5.0  # how old the earliest position in a bookmark may be
CORRUPT_SECONDS = 5.0
FIRST_LOOK_SECONDS = 2.0  # as long as a page waits for a connection
QUIET_SECONDS = 0.25

# COLUMNS is a constant of ours.
_NEXT = f"SELECT {COLUMNS} FROM event_log WHERE position > %s ORDER BY position LIMIT %s"  # noqa: S608
# What of the committed is still without a position, and how far the positions go.
_STAGED = """
SELECT (SELECT min(id) FROM outbox), (SELECT max(id) FROM outbox), last_position, epoch
  FROM event_log_head
"""


class Tailer:
    """Feeds the ring; ``generation`` changes when what streams were told may no longer hold.

    ``completeness`` knows by when, on this process's clock, everything committed is in the log.
    """

    def __init__(self, dsn: str, signal: Signal, ring: Ring | None = None) -> None:
        self._dsn = dsn
        self._moved = asyncio.Event()
        self._lineage: Lineage | None = None
        self._lineage_until = 0.0
        self._quiet_at = 0.0
        self.signal = signal
        self.ring = ring or Ring()
        self.generation = 0
        self.fault: LogCorrupt | None = None
        self.completeness = Completeness()

    @property
    def lineage(self) -> Lineage:
        """The log's lives and bounds; raises LogUnavailable until the log has been seen once."""
        if self._lineage is None:
            raise LogUnavailable
        return self._lineage

    async def seen(self) -> Lineage:
        """Return ``lineage``, waiting for the first look of a process that has only just begun.

        Such a process serves already: who came in its first moments was refused without a reason.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + FIRST_LOOK_SECONDS
        while self._lineage is None and clock() < until:
            await self.moved(until)
        return self.lineage

    async def run(self) -> None:
        await keep_connected(self._dsn, self._tail)

    def wake(self) -> None:
        """Wake every stream that waits in ``moved``."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def moved(self, until: float) -> None:
        """Return at the next wake-up, or at ``until`` on the loop's clock."""
        try:
            async with asyncio.timeout_at(until):
                await self._moved.wait()
        except TimeoutError:
            return

    async def _tail(self, connection: AsyncConnection) -> None:
        self.completeness.forget()  # it may be another server
        await tick(connection, 0)  # a new life of the server opens its epoch
        await self._refresh(connection)
        self.fault = None
        self.wake()
        clock = asyncio.get_running_loop().time
        while True:
            entries = await self._next(connection)
            if not await self._publish(connection, entries):
                return
            if len(entries) < BATCH:
                await self._look_for_more(connection)
                await self.signal.wait()
            if clock() > self._lineage_until:
                await self._refresh(connection)

    async def _refresh(self, connection: AsyncConnection) -> bool:
        """Read the log's lives and bounds; return whether the ring still holds what they say.

        A promoted standby, a restored copy, or an epoch that an operator opened may have cut the
        log back behind what has been sent already: this process checks its own position as it
        would a subscriber's, and starts over if it does not hold.
        """
        cursor = connection.cursor(binary=True, row_factory=resume_tokens.READ.rows)
        await within(HUNG_SECONDS, cursor.execute(resume_tokens.READ.text))
        before, found = self._lineage, resume_tokens.lineage(await cursor.fetchall())
        self._lineage = found
        self._lineage_until = asyncio.get_running_loop().time() + LINEAGE_SECONDS
        metrics.EPOCH.set(found.epoch)
        if before is not None and _continues(found, before, self.ring.tail):
            return True
        if before is not None:
            telemetry.log.error("event_log_diverged", position=self.ring.tail, head=found.last)
            self.generation += 1
        self.ring.restart(found.last)
        self.completeness.forget()
        self.wake()
        return False

    async def _look_for_more(self, connection: AsyncConnection) -> None:
        """Learn how far the log is complete: heartbeats are silent about it else."""
        if (clock := asyncio.get_running_loop().time()) < self._quiet_at:
            return
        self._quiet_at = clock + QUIET_SECONDS / 2
        asked = now()
        row: Any = await (await within(HUNG_SECONDS, connection.execute(_STAGED))).fetchone()
        self.completeness.look(Look(asked, *row[:3]))
        if row[3] != self.lineage.epoch:  # opened in place, by an operator
            await self._refresh(connection)

    async def _next(self, connection: AsyncConnection) -> list[Entry]:
        """Read what follows the tail, to the end of a transaction: streams see no half of one."""
        found = await _read(connection, self.ring.tail, BATCH)
        if found and (missing := found[-1].tx_last - found[-1].position):
            found += await _read(connection, found[-1].position, missing)
        return found

    async def _publish(self, connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
        """Let the streams have ``entries``; False if the log has a gap and must not be served."""
        if not entries:
            return True
        # Its tokens need the life it was written in, which may not follow upon what was sent.
        if entries[-1].epoch > self.lineage.epoch and not await self._refresh(connection):
            return True
        try:
            self.ring.extend(entries)
        except LogCorrupt as gap:
            self.fault = gap
            telemetry.log.critical("event_log_corrupt", position=gap.facts["position"])
        self.wake()
        if self.fault is not None:
            await asyncio.sleep(CORRUPT_SECONDS)
        return self.fault is None


async def _read(connection: AsyncConnection, after: int, most: int) -> list[Entry]:
    cursor = connection.cursor(binary=True, row_factory=args_row(entry))
    await within(HUNG_SECONDS, cursor.execute(_NEXT, (after, most)))
    return await cursor.fetchall()


def _continues(found: Lineage, before: Lineage, tail: int) -> bool:
    try:
        found.position(before.token(tail))
    except Refusal:
        return False
    return True
