"""Barriers: wait until PostgreSQL says so, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import REGISTRY
from psycopg import AsyncConnection

from chassis.server import POOL_READY
from tests.support.databases import superuser_of

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def until_blocked(dsn: str, connections: int) -> None:
    """Return once at least ``connections`` connections of this database wait for a lock."""
    # As the superuser: a service role sees only its own connections' states.
    async with await AsyncConnection.connect(superuser_of(dsn), autocommit=True) as connection:
        while True:  # PostgreSQL cannot notify about this state: asking again is all there is
            row = await (await connection.execute(_WAITING)).fetchone()
            if row is not None and row[0] >= connections:
                return
            await asyncio.sleep(0.005)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Return once ``condition`` holds; raises TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - asked of another process
            await asyncio.sleep(0.02)


async def until_pool_stands(name: str) -> None:
    """Return once a silo of this process has the connections that it begins with.

    It serves from the first one on; the rest take moments, in which a burst is more than it holds.
    """

    async def stands() -> bool:
        # Those at rest: a pool counts as its own what it has yet to connect.
        idle = REGISTRY.get_sample_value("medport_pool_idle_connections", {"pool": name})
        return idle is not None and idle >= POOL_READY

    await until(stands)
