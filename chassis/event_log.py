"""Gives committed events their positions.

Every process of a silo runs these loops; none of them leads. See ``event_log.sql``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from chassis import event_log_metrics as metrics
from chassis import tracing
from chassis.event_log_connections import HUNG_SECONDS, Tasks, keep_connected
from chassis.event_log_retention import Upkeep
from chassis.event_log_signals import LOG, OUTBOX, Listener, Notifier, Signal
from chassis.settings import Retention
from chassis.stream_traces import sequenced
from chassis.within import within

BATCH = 200
APART_SECONDS = 0.003  # events that commit meanwhile share the next tick

_TICK = "SELECT moved, head FROM event_log_tick(%s)"


def schema(service_role: str) -> str:
    """Return the SQL of every silo's event log, for its migrations to run as the owner."""
    text = Path(__file__).with_name("event_log.sql").read_text(encoding="utf-8")
    return text.replace("{service_role}", service_role)


async def tick(connection: AsyncConnection, batch: int = BATCH) -> tuple[int, int]:
    """Move whole transactions from the outbox to the log; return how many events, and the head.

    ``connection`` must be in autocommit. With ``batch`` 0 nothing moves, but a new life of the
    server opens its epoch.
    """
    with metrics.TICK_SECONDS.time():
        cursor = await within(HUNG_SECONDS, connection.execute(_TICK, (batch,)))
        row: Any = await cursor.fetchone()
    metrics.HEAD.set(row[1])
    if row[0]:
        metrics.TICK_EVENTS.observe(row[0])
    return int(row[0]), int(row[1])


class Sequencer:
    """Ticks when asked, and every quarter of a second in any case."""

    def __init__(self, dsn: str, moved: Callable[[], None]) -> None:
        self._dsn = dsn
        self._moved = moved
        self.signal = Signal()

    async def run(self) -> None:
        await keep_connected(self._dsn, self._tick)

    async def _tick(self, connection: AsyncConnection) -> None:
        while True:
            began = time.time_ns()
            count, head = await tick(connection)
            if not count:
                asked = await self.signal.wait()
                metrics.WAKEUPS.labels("hint" if asked else "poll").inc()
                continue
            self._moved()
            if tracing.is_on():
                await within(HUNG_SECONDS, sequenced(connection, count, head, began))
            if count < BATCH:  # not the end: transactions that the batch cut through stay for later
                await asyncio.sleep(APART_SECONDS)


class EventLog:
    """The producing half of one process: hand ``announced`` to ``Database.after_commit``.

    ``tail`` is the signal of whoever reads the log; ``holds`` names the subscribers that old
    events are kept for. ``start`` needs a running loop and no database: it waits for one.
    """

    def __init__(
        self,
        dsn: str,
        tail: Signal,
        holds: Sequence[str] = (),
        retention: Retention | None = None,
    ) -> None:
        self._tail = tail
        self._notifier = Notifier(dsn)
        self._sequencer = Sequencer(dsn, self._moved)
        self._listener = Listener(dsn, {OUTBOX: self._sequencer.signal, LOG: tail})
        self._upkeep = Upkeep(dsn, holds, retention or Retention())
        self._tasks = Tasks()

    def announced(self) -> None:
        """Note that events have been committed."""
        self._sequencer.signal.set()
        self._notifier.tell(OUTBOX)

    def start(self) -> None:
        self._tasks.start("sequencer", self._sequencer.run)
        self._tasks.start("event log notifier", self._notifier.run)
        self._tasks.start("event log listener", self._listener.run)
        self._tasks.start("event log upkeep", self._upkeep.run)

    async def stop(self) -> None:
        await self._tasks.stop()

    def _moved(self) -> None:
        self._tail.set()
        self._notifier.tell(LOG)
