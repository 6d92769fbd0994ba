"""Reads older events from the database, for streams that the ring cannot serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, OperationalError
from psycopg.rows import args_row

from chassis import event_log_metrics as metrics
from chassis import resume_tokens
from chassis.event_log_connections import HUNG_SECONDS
from chassis.event_log_errors import (
    LogUnavailable,
    ProgressBackwards,
    ResumePointCompacted,
    StreamLimit,
)
from chassis.open_streams import PER_USER
from chassis.pool import Pool
from chassis.resume_tokens import Lineage
from chassis.stream_entries import COLUMNS, Entry, Interest, entry
from chassis.within import within

Result = TypeVar("Result")

AT_ONCE = 8
SUBSCRIBERS = PER_USER  # names to report under: as many as streams that a user can have open
WINDOW = 50_000  # positions that one page looks at, so that a rare event's reader is heard from
CHECKOUT_SECONDS = 2.0
CHECK_SECONDS = 1.0

# COLUMNS is a constant of ours.
_PAGE = f"""
SELECT {COLUMNS} FROM event_log
 WHERE position > %(after)s AND position <= %(end)s AND audience && %(keys)s::text[]
   AND (%(types)s::text[] = '{{}}' OR type = ANY (%(types)s::text[]))
   AND (%(subjects)s::text[] = '{{}}' OR subject = ANY (%(subjects)s::text[]))
 ORDER BY position LIMIT %(most)s
"""  # noqa: S608
# What a page needs to know afterwards: the log's floor, and whose life the page is of.
_FLOOR = """
SELECT first_position, (SELECT epoch_id FROM event_log_epoch ORDER BY epoch DESC LIMIT 1)
  FROM event_log_head
"""
_AFTER_TIME = """
SELECT coalesce((SELECT min(position) FROM event_log WHERE recorded_at > %(time)s) - 1,
                (SELECT last_position FROM event_log_head)) AS position
"""
_REPORT = """
INSERT INTO event_subscriber AS known (name, epoch, position, reported_at)
SELECT %(name)s, %(epoch)s, %(position)s, clock_timestamp()
 WHERE %(owner)s = '' OR %(most)s > (SELECT count(*) FROM event_subscriber
                                      WHERE starts_with(name, %(owner)s) AND name <> %(name)s)
ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, position = excluded.position,
       reported_at = excluded.reported_at
 WHERE (known.epoch, known.position) <= (excluded.epoch, excluded.position)
RETURNING position
"""
_REPORTED = "SELECT position FROM event_subscriber WHERE name = %(name)s"


class Pages:
    """Identical reads under way are one; at most ``AT_ONCE`` reads are under way.

    ``tailed`` gives the log as this process follows it. While servers are switched, the pool may
    still be, or already be, with another one: whatever it reads there is refused.
    """

    def __init__(self, pool: Pool, tailed: Callable[[], Awaitable[Lineage]]) -> None:
        self._pool = pool
        self._tailed = tailed
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._reading: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(
        self, after: int, tail: int, interest: Interest, most: int
    ) -> tuple[list[Entry], int]:
        """Return at most ``most`` matching entries behind ``after``, and the position read up to.

        Raises ResumePointCompacted when the log no longer keeps all of it, and LogUnavailable.
        """
        end = min(tail, after + WINDOW)

        async def page() -> tuple[list[Entry], int]:
            return await self._page(after, end, interest, most)

        return await self._shared((after, end, interest, most), page)

    async def lineage(self) -> Lineage:
        """Read the log's lives and bounds from the primary, now; a shared read might be older."""
        await self._tailed()  # whose first look opens the epoch of a server's new life
        async with self._connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=resume_tokens.READ.rows)
            await within(HUNG_SECONDS, cursor.execute(resume_tokens.READ.text))
            found = resume_tokens.lineage(await cursor.fetchall())
        await self._check(found.life)
        return found

    async def after_time(self, moment: datetime) -> int:
        """Return the position before the first event recorded after ``moment``."""
        async with self._connection() as connection:
            return await _number(connection, _AFTER_TIME, time=moment)

    async def report(self, owner: str, subscriber: str, epoch: int, position: int) -> None:
        """Note how far ``subscriber`` has come, whose names all begin with ``owner``, or with none.

        Raises ProgressBackwards if it has come further, and StreamLimit if its owner reports under
        ``SUBSCRIBERS`` other names already.
        """
        parameters = {"name": owner + subscriber, "epoch": epoch, "position": position}
        async with self._connection() as connection:
            limited = parameters | {"owner": owner, "most": SUBSCRIBERS}
            cursor = await connection.execute(_REPORT, limited)
            if await cursor.fetchone() is None:
                known = await connection.execute(_REPORTED, parameters)
                reported = await known.fetchone()
                if reported is None:
                    raise StreamLimit("subscribers of one user report")
                raise ProgressBackwards(*reported)

    async def _page(
        self, after: int, end: int, interest: Interest, most: int
    ) -> tuple[list[Entry], int]:
        async with self._slots, self._connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=args_row(entry))
            await within(HUNG_SECONDS, cursor.execute(_PAGE, _filter(after, end, interest, most)))
            found = await cursor.fetchall()
            metrics.LOG_PAGES.inc()
            # After the page: read before it, a trim in between would leave a silent hole.
            asked = await within(HUNG_SECONDS, connection.execute(_FLOOR))
            first, life = await asked.fetchone() or (0, None)
        await self._check(life)
        if after + 1 < first:
            raise ResumePointCompacted(first, (await self.lineage()).token(first - 1))
        if len(found) > most:
            end = found.pop().position - 1
        return found, end

    async def _check(self, life: UUID | None) -> None:
        if life != (await self._tailed()).life:
            raise LogUnavailable

    async def _shared(self, key: Hashable, read: Callable[[], Awaitable[Result]]) -> Result:
        """Await the read of this key that is under way, or begin one.

        It is shielded: one stream that is cancelled does not take the page from the others.
        """
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.ensure_future(_awaited(read))
            task.add_done_callback(lambda done: self._done(key, done))
        result: Result = await asyncio.shield(task)
        return result

    def _done(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # it has been raised wherever it was awaited

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._pool.connection(timeout=CHECKOUT_SECONDS) as connection:
                yield connection
        except (OperationalError, TimeoutError) as lost:
            await self._look_round()
            raise LogUnavailable from lost

    async def _look_round(self) -> None:
        """Drop every connection that is lost, so that one caller, not each, meets a lost one."""
        with suppress(OperationalError, TimeoutError):
            await within(CHECK_SECONDS, self._pool.check())


async def _awaited(read: Callable[[], Awaitable[Result]]) -> Result:
    return await read()


async def _number(connection: AsyncConnection, statement: str, **parameters: object) -> int:
    cursor = await within(HUNG_SECONDS, connection.execute(statement, parameters))
    row: Any = await cursor.fetchone()
    return int(row[0])


def _filter(after: int, end: int, interest: Interest, most: int) -> dict[str, Any]:
    return {
        "after": after,
        "end": end,
        "keys": sorted(interest.keys),
        "types": sorted(interest.types),
        "subjects": sorted(interest.subjects),
        "most": most + 1,  # one more than asked for tells where the next page begins
    }
