"""Barriers: wait until PostgreSQL says so, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from psycopg import AsyncConnection

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
