"""A queue table that the consumer polls, or is told of with NOTIFY in the business transaction.

Its cursor follows a sequence, which skips events whose transaction commits late: this peer is
measured for its speed, not for its promises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from psycopg import AsyncConnection

from bench import facts
from bench.peers import MOST_EVENTS, Apply, Commit, Told
from bench.transactions import pooled

POLL_SECONDS = 0.05
_QUEUE = "INSERT INTO bench_queue (data) VALUES (%s)"
_NOTIFY = "SELECT pg_notify('bench_queue', '')"
_NEXT = "SELECT id, data FROM bench_queue WHERE id > %s ORDER BY id LIMIT %s"


@asynccontextmanager
async def serving(_folder: Path, variant: str) -> AsyncIterator[Told | None]:
    yield {"notify": variant == "notify"}


@asynccontextmanager
async def announcing(told: Told) -> AsyncIterator[Commit]:
    async with pooled(told["source"]) as begin:

        async def commit() -> tuple[str, float]:
            row = facts.ENVELOPE.row(facts.changed())
            async with begin() as connection:
                await connection.execute(_QUEUE, (row["data"],))
                if told["notify"]:
                    await connection.execute(_NOTIFY)
            return row["subject"], time.monotonic()

        yield commit


async def consume(told: Told, apply: Apply) -> None:
    async with await AsyncConnection.connect(
        told["source"], autocommit=True, prepare_threshold=0
    ) as connection:
        if told["notify"]:
            await connection.execute("LISTEN bench_queue")
        cursor = connection.cursor(binary=True)
        last = 0
        while True:
            found = await (await cursor.execute(_NEXT, (last, MOST_EVENTS))).fetchall()
            if found:
                last = int(found[-1][0])
                await apply([HospitalEvent.FromString(data) for _, data in found], last)
            else:
                await _more(connection, notified=told["notify"])


async def _more(connection: AsyncConnection, *, notified: bool) -> None:
    if not notified:
        await asyncio.sleep(POLL_SECONDS)
        return
    with suppress(StopAsyncIteration):
        await anext(connection.notifies(timeout=1, stop_after=1))
