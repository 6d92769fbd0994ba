"""Our own way: the outbox in the business transaction, the log, a follower elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from medport.hospital.events.v1 import event_log_pb2 as pb

from bench import facts
from bench.peers import Apply, Commit, Told
from bench.transactions import WRITERS, opened
from chassis import channels
from chassis.event_log_connections import Tasks
from chassis.event_log_signals import OUTBOX, Notifier
from chassis.outbox import Envelope
from chassis.pool import Pool
from chassis.projection import Following, Received
from chassis.projection_follower import Follower
from chassis.unit_of_work import Database, UnitOfWork


@asynccontextmanager
async def serving(_folder: Path, _variant: str) -> AsyncIterator[Told | None]:
    yield {}  # the silo's own process, which the mesh started


@asynccontextmanager
async def writing(dsn: str, writers: int = WRITERS) -> AsyncIterator[Database]:
    """Commit as the silo's processes do, and wake the one that runs after each commit."""
    notifier, tasks = Notifier(dsn), Tasks()
    async with opened(dsn, writers) as connections:
        tasks.start("notifier", notifier.run)
        try:
            database = Database(connections, facts.ENVELOPE, tenant_column=None)
            database.after_commit = partial(notifier.tell, OUTBOX)
            yield database
        finally:
            await tasks.stop()


@asynccontextmanager
async def announcing(told: Told) -> AsyncIterator[Commit]:
    async with writing(told["source"]) as database:

        async def commit() -> tuple[str, float]:
            announced = facts.changed()
            async with database.begin(None) as uow:
                await uow.execute(facts.FACT, id=uuid4(), note="measured")
                uow.emit(announced)
            return announced.subject, time.monotonic()

        yield commit


class _Told(Database):
    """Says when a transaction with effects was committed: only then do they count."""

    def __init__(self, connections: Pool, said: Apply) -> None:
        super().__init__(connections, _SILENT, tenant_column=None)
        self._said = said
        self.applied: list[pb.HospitalEvent] = []

    @asynccontextmanager
    async def begin(self, tenant: UUID | None) -> AsyncIterator[UnitOfWork]:
        async with super().begin(tenant) as uow:
            yield uow
        if self.applied:
            applied, self.applied = self.applied, []
            await self._said(applied, 0)


_SILENT = Envelope(pb.HospitalEvent, "/medport/bench")


async def consume(told: Told, apply: Apply) -> None:
    """Follow as a silo does; here ``apply`` only hears of what was applied."""
    async with opened(told["target"], 4) as connections:
        database = _Told(connections, apply)

        async def project(uow: UnitOfWork, event: Received) -> None:
            named = event.payload.facility.name  # type: ignore[attr-defined]
            await uow.execute(facts.EFFECT, subject=event.metadata.subject, name=named)
            database.applied.append(pb.HospitalEvent(metadata=event.metadata))

        following = Following(
            source="hospital", consumer="bench", file=pb.DESCRIPTOR, projects=[project]
        )
        connect = partial(channels.channel, told["address"])
        follower = Follower(following, database, connect, lambda: str(told["bearer"]))
        follower.start()
        try:
            await asyncio.Event().wait()
        finally:
            await follower.stop()
