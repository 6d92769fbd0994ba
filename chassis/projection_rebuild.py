"""Makes one consumer's copies anew from the rows that the source shows: overwrite, then sweep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from chassis import checkpoint, telemetry
from chassis.backoff import Backoff
from chassis.checkpoint import Fenced, Lease, Place, State
from chassis.dead_letter import why
from chassis.projection import Following, Received, received
from chassis.projection_effects import ATTEMPTS, Halted, opened
from chassis.projection_feed import Interrupted
from chassis.sql import written
from chassis.sqlstates import is_passing
from chassis.unit_of_work import Database, UnitOfWork

_KEY = "consumer = %(consumer)s AND source = %(source)s"

CLEAR = written(f"DELETE FROM consumer_snapshot_subject WHERE {_KEY}")  # noqa: S608
NOTE = written(
    """
    INSERT INTO consumer_snapshot_subject (consumer, source, subject)
    VALUES (%(consumer)s, %(source)s, %(subject)s) ON CONFLICT DO NOTHING
    """
)
# What they would have done, the rows show already; they stay as evidence.
DISCARD_PARKED = written(
    f"""
    UPDATE consumer_dead_letter SET state = 'DISCARDED', resolved_by = 'rebuild'
     WHERE {_KEY} AND state <> 'DISCARDED'
    """  # noqa: S608
)


class Rebuilding:
    """One attempt, from the first frame of a snapshot to its last; an interrupted one is void.

    Each frame is a transaction that only the newest holder of the lease can commit, and only as
    long as the consumer's state is REBUILDING.
    """

    def __init__(self, database: Database, following: Following, lease: Lease) -> None:
        if following.rebuild is None:
            raise Halted(f"CANNOT_REBUILD: {following.without_log}".removesuffix(": "))
        self._database = database
        self._following = following
        self._rebuild = following.rebuild
        self._lease = lease
        self._of = {"consumer": lease.consumer, "source": lease.source}
        self._count = 0

    async def run(self, frames: AsyncIterator[Any]) -> None:
        """Take ``frames``; return when the copies are the source's rows and the place is theirs.

        Raises Fenced, Interrupted where it has to start over, and Halted for a row that cannot be
        written: it has no place in the log that it could be parked under.
        """
        await self._lasting(self._clear)
        log: Any = None
        async for frame in frames:
            match frame.WhichOneof("frame"):
                case "started":
                    log = frame.started.event_log
                case "batch":
                    await self._overwrite(frame.batch.events)
                case "snapshot_end":
                    await self._end(frame, log)
                    return
                case _:
                    break
        raise Interrupted("SNAPSHOT_BROKEN_OFF")

    async def _overwrite(self, events: Sequence[Any]) -> None:
        self._count += len(events)
        if events:
            await self._lasting(lambda uow: self._rows(uow, events))

    async def _rows(self, uow: UnitOfWork, events: Sequence[Any]) -> None:
        for row in map(received, events):
            if row is not None:  # a row of a later release of the source is nothing that we copy
                await self._row(uow, row)
        await checkpoint.stand(uow, self._lease, State.REBUILDING)

    async def _row(self, uow: UnitOfWork, row: Received) -> None:
        for overwrite in self._rebuild.overwrite:
            if (name := await overwrite(uow, row)) is not None:
                await uow.execute(NOTE, **self._of, subject=name)

    async def _clear(self, uow: UnitOfWork) -> None:
        """Forget what an attempt before this one has met: it may be gone since."""
        await uow.execute(CLEAR, **self._of)
        await checkpoint.stand(uow, self._lease, State.REBUILDING)

    async def _end(self, frame: Any, log: Any) -> None:
        if frame.snapshot_end.event_count != self._count:  # what is not here would be swept
            raise Interrupted("SNAPSHOT_INCOMPLETE")
        place = Place(
            log_id=UUID(log.log_id),
            epoch=log.epoch,
            position=frame.position,
            resume_token=frame.resume_token,
        )
        await self._lasting(lambda uow: self._finish(uow, place))
        telemetry.log.info("consumer_rebuilt", **self._of, rows=self._count)

    async def _finish(self, uow: UnitOfWork, place: Place) -> None:
        for sweep in self._rebuild.sweep:
            await sweep(uow, self._lease.consumer, self._lease.source)
        await uow.execute(DISCARD_PARKED, **self._of)
        await uow.execute(CLEAR, **self._of)
        await checkpoint.finish_rebuild(uow, self._lease, place)

    async def _lasting(self, work: Callable[[UnitOfWork], Awaitable[None]]) -> None:
        """Run a transaction until its outcome is its own doing; five times, for that may pass."""
        backoff, attempts = Backoff(0.02, 1.0), 0
        while True:
            try:
                async with opened(self._database, self._following) as uow:
                    await work(uow)
            except Fenced:
                raise
            except Exception as fault:
                if not is_passing(fault):
                    attempts += 1
                    if attempts == ATTEMPTS:
                        telemetry.fault(fault, **self._of)
                        raise Halted(f"{why(fault)} while rebuilding") from fault
                await asyncio.sleep(backoff.next())
            else:
                return
