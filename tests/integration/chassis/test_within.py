"""Work on a database whose server has stopped answering ends soon after its time."""

from __future__ import annotations

import asyncio
import time

import pytest
from psycopg import AsyncConnection

from chassis.within import end, within
from tests.support.fault_proxy import between

SOON = 3.0  # psycopg alone waits for up to 11 s


async def test_a_hung_server_is_given_up_on_soon(plain_database: str) -> None:
    async with between(plain_database) as (proxy, dsn):
        async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute("SELECT 1")
            proxy.stall()
            begun = time.monotonic()

            with pytest.raises(TimeoutError):
                await within(0.1, connection.execute("SELECT 1"))

            assert time.monotonic() - begun < SOON
            assert connection.closed
        proxy.flow()


async def test_work_in_time_keeps_its_result_and_its_error() -> None:
    async def fails() -> None:
        raise ValueError("it failed")

    assert await within(5, asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="it failed"):
        await within(5, fails())


async def test_a_caller_who_leaves_leaves_no_work_behind() -> None:
    is_over = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_over.set()

    waiting = asyncio.create_task(within(60, long()))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(is_over.wait(), 10)


async def test_a_loop_that_lost_its_cancellation_is_ended_all_the_same() -> None:
    """As asyncio.wait_for loses one: seen once as a process that did not stop."""

    async def deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    loops = [asyncio.create_task(deaf()), asyncio.create_task(asyncio.Event().wait())]
    await asyncio.sleep(0)

    await end(loops, patience=0.05)

    assert all(each.done() for each in loops)
