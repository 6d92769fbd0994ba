"""The business transaction of every peer's writer, and the effect of every peer's consumer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from psycopg import AsyncConnection

from bench import facts
from chassis.pool import Pool, pool

WRITERS = 8
PATIENCE_SECONDS = 30.0

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

_CHECKPOINT = """
INSERT INTO bench_checkpoint VALUES (%(name)s, %(position)s)
ON CONFLICT (name) DO UPDATE SET position = excluded.position
"""


@asynccontextmanager
async def opened(dsn: str, size: int) -> AsyncIterator[Pool]:
    """Open a pool whose connections are all there before anything is measured."""
    async with pool(dsn, size=size, ready=size) as connections:
        await connections.wait(PATIENCE_SECONDS)
        yield connections


@asynccontextmanager
async def pooled(dsn: str) -> AsyncIterator[Begin]:
    """Open connections, and give what begins a transaction that has written its fact."""
    async with opened(dsn, WRITERS) as connections:

        @asynccontextmanager
        async def begin() -> AsyncIterator[AsyncConnection]:
            async with connections.connection() as connection, connection.transaction():
                await connection.execute(facts.FACT.text, {"id": uuid4(), "note": "measured"})
                yield connection

        yield begin


class Effects:
    """Applies events as our projections do: all of them and the checkpoint, or nothing."""

    def __init__(self, connection: AsyncConnection, name: str) -> None:
        self._connection = connection
        self._name = name

    async def apply(self, events: Sequence[HospitalEvent], position: int) -> None:
        async with self._connection.transaction():
            for event in events:
                named = event.facility_changed.facility.name
                effect = {"subject": event.metadata.subject, "name": named}
                await self._connection.execute(facts.EFFECT.text, effect)
            await self._connection.execute(_CHECKPOINT, {"name": self._name, "position": position})
