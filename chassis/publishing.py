"""All that one process needs to publish its silo's events: order them, keep them, serve them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from google.protobuf.descriptor import FileDescriptor

from chassis.event_contract import EventContract
from chassis.event_log import EventLog
from chassis.event_log_connections import Tasks
from chassis.event_log_signals import Signal
from chassis.paging import Paging
from chassis.pool import pool
from chassis.settings import Retention
from chassis.stream import EventLogServicer, Registry
from chassis.stream_pages import AT_ONCE, Pages
from chassis.stream_ring import Ring
from chassis.stream_snapshots import Snapshot, Snapshots
from chassis.stream_subscriptions import Source
from chassis.stream_tailer import Tailer


class Publishing:
    """Made by the composition root; ``file`` is the silo's ``event_log_pb2.DESCRIPTOR``.

    Set ``Database.after_commit`` to ``announced``, call ``add_to`` before the server starts,
    ``drain`` before it stops. ``holds`` names the subscribers that old events are kept for, within
    ``retention``; ``snapshot`` gives current rows to those who come too late even so.
    """

    def __init__(
        self,
        dsn: str,
        file: FileDescriptor,
        paging: Paging,
        *,
        holds: Sequence[str] = (),
        retention: Retention | None = None,
        ring: Ring | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        tail = Signal()
        self._pool = pool(dsn, size=AT_ONCE, name="event_log")
        self._log = EventLog(dsn, tail, holds, retention)
        self._tailer = Tailer(dsn, tail, ring)
        pages = Pages(self._pool, self._tailer.seen)
        self.source = Source(self._tailer, pages, replica=uuid4().hex[:12])
        snapshots = Snapshots(self._pool, snapshot) if snapshot else None
        self._servicer = EventLogServicer(EventContract.of(file), self.source, paging, snapshots)
        self._tasks = Tasks()
        self.announced = self._log.announced

    @property
    def position(self) -> int:
        """Return that of the newest event this process knows of; 0 while it knows of none."""
        return self._tailer.ring.tail

    def add_to(self, server: Registry) -> None:
        self._servicer.add_to(server)

    async def start(self) -> None:
        """Begin; does not wait for the database, and survives its absence."""
        await self._pool.open(wait=False)
        self._log.start()
        self._tasks.start("event log tailer", self._tailer.run)

    def drain(self) -> None:
        """Let every stream end with StreamEnd, now; call it when health says NOT_SERVING."""
        self.source.drain()

    async def stop(self) -> None:
        """Stop the loops; what is committed and has no position yet is ordered by another one."""
        await self._log.stop()
        await self._tasks.stop()
        await self._pool.close()
