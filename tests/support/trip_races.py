"""Of several decisions about one trip at once: barriers hold its row until all wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from psycopg import AsyncConnection

from tests.support.databases import superuser_of
from tests.support.hospital_trips import Ward
from tests.support.waiting import until_blocked

HOLD = "SELECT FROM transport_request WHERE id = %s FOR UPDATE"
Racer = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def held(mercy: Ward, trip_id: str) -> AsyncIterator[None]:
    """Hold a trip's row; leaving lets everybody who waits for it go on."""
    dsn = superuser_of(mercy.silo.dsn)
    async with await AsyncConnection.connect(dsn) as connection:
        await connection.execute(HOLD, (trip_id,))
        yield
        await connection.rollback()


async def raced(mercy: Ward, trip_id: str, racers: Sequence[Racer]) -> list[Any]:
    """Let ``racers`` meet at the trip's row; return their answers, or what refused them.

    They are made only when the row is held: a call of grpc.aio runs from the moment it is made.
    """
    async with held(mercy, trip_id):
        running = [asyncio.ensure_future(each()) for each in racers]
        await until_blocked(mercy.silo.dsn, len(running))
    return await asyncio.gather(*running, return_exceptions=True)


def winners(outcomes: Sequence[Any]) -> int:
    for lost in outcomes:
        if isinstance(lost, BaseException):
            assert isinstance(lost, grpc.aio.AioRpcError), lost
            assert lost.code() is grpc.StatusCode.FAILED_PRECONDITION
    return sum(not isinstance(each, BaseException) for each in outcomes)
