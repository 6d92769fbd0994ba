"""The log's own connections to its database: each does one thing, and comes back when lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from psycopg import AsyncConnection, Error

from chassis import telemetry
from chassis.backoff import Backoff
from chassis.within import end, within

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10  # a tick moves a transaction of any size at once: some 150,000 events
HUNG_SECONDS = 12  # a server that is stopped, not gone, answers nothing and closes nothing
STOP_SECONDS = 0.1
HEALTHY_SECONDS = 30.0

Use = Callable[[AsyncConnection], Awaitable[None]]


async def connect(dsn: str) -> AsyncConnection:
    """Open a connection in autocommit that notices a vanished server within seconds."""
    return await AsyncConnection.connect(
        dsn,
        autocommit=True,
        prepare_threshold=0,
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=8_000,
        options=f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s",
    )


async def keep_connected(dsn: str, use: Use) -> None:
    """Run ``use`` on a connection, and on another one whenever it ends; until cancelled."""
    backoff = Backoff(0.05, 2.0)
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            connection = await within(CONNECT_SECONDS * 2, connect(dsn))
            async with connection:
                await use(connection)
        except (Error, OSError, TimeoutError) as lost:  # the loop outlives its database
            telemetry.log.warning(
                "event_log_connection_lost", type=type(lost).__name__, use=_name(use)
            )
        if clock() - began > HEALTHY_SECONDS:
            backoff.reset()
        await asyncio.sleep(backoff.next())


def _name(use: Use) -> str:
    return str(getattr(use, "__qualname__", use))


class Tasks:
    """Loops that run until told to stop; a loop that dies of a fault is begun again."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(_survive(name, loop), name=name))

    async def stop(self) -> None:
        await end(self._tasks)
        self._tasks.clear()


async def _survive(name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    backoff = Backoff(0.5, 30.0)
    while True:
        try:
            await loop()
        except Exception as fault:  # noqa: BLE001 - a silo without its sequencer is mute for ever
            telemetry.fault(fault, task=name)
        await asyncio.sleep(backoff.next())
