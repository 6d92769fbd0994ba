"""Several calls at one row: a barrier holds it until PostgreSQL reports all of them blocked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg

from tests.support.databases import superuser_of
from tests.support.ems_silo import EmsSilo, outcomes
from tests.support.waiting import until_blocked

UNIT = "SELECT FROM unit WHERE id = %s FOR UPDATE"
JOB = "SELECT FROM assignment WHERE id = %s FOR UPDATE"


@asynccontextmanager
async def holding(silo: EmsSilo, text: str, id: str) -> AsyncIterator[None]:
    """Hold a row as somebody else would, for the length of the block."""
    dsn = superuser_of(silo.dsn)
    async with await psycopg.AsyncConnection.connect(dsn) as somebody:
        await somebody.execute(text.encode(), [id])
        yield


async def race(silo: EmsSilo, text: str, id: str, *runners: Callable[[], Any]) -> list[Any]:
    """Let all ``runners`` reach the row, or the queue for it, before any may have it.

    They are begun here, not by the caller: a call is on its way as soon as it is made.
    """
    async with holding(silo, text, id):
        tasks = [asyncio.ensure_future(calling(each)) for each in runners]
        await until_blocked(silo.dsn, connections=len(runners))
    return await outcomes(*tasks)


async def calling(make: Callable[[], Any]) -> Any:
    return await make()


def failures(results: list[Any]) -> list[str]:
    return [str(each.code().name) for each in results if isinstance(each, grpc.aio.AioRpcError)]
