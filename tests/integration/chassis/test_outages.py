"""A database that is gone, hung, busy or late: what callers hear, and how soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from psycopg import AsyncConnection

from chassis.health import SERVING
from chassis.server import POOL_SIZE
from tests.integration.chassis.test_health import until_status
from tests.support import clinic
from tests.support.databases import superuser_of
from tests.support.echo import EchoRequest, call, finish, refused
from tests.support.fault_proxy import FaultProxy, between
from tests.support.guarded import AS_STAFF, detail
from tests.support.waiting import until, until_pool_stands

Result = TypeVar("Result")

SLEEPING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
  AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()
"""
PROMISED = 1.0 + 1.0  # a second, and the pauses of a busy machine; psycopg alone takes 5 to 11
WRITE = EchoRequest(request_id="0198f000-0000-7000-8000-000000000001", text="a visit")


async def timed(work: Awaitable[Result]) -> tuple[Result, float]:
    begun = time.monotonic()
    result = await work
    return result, time.monotonic() - begun


async def sleeping(dsn: str) -> int:
    async with await AsyncConnection.connect(superuser_of(dsn), autocommit=True) as connection:
        row = await (await connection.execute(SLEEPING)).fetchone()
        return int(row[0]) if row else 0


async def until_sleeping(dsn: str, wanted: int) -> None:
    async def is_wanted() -> bool:
        return await sleeping(dsn) == wanted

    await until(is_wanted)


@asynccontextmanager
async def behind_a_proxy(plain_database: str) -> AsyncIterator[tuple[FaultProxy, grpc.aio.Channel]]:
    clinic.prepare(plain_database)
    async with (
        between(plain_database) as (proxy, dsn),
        clinic.running(clinic.settings(dsn)) as (_, channel),
    ):
        await until_status(channel, SERVING)
        yield proxy, channel


def is_unavailable(error: grpc.aio.AioRpcError) -> None:
    info = detail(error, ErrorInfo)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert (info.reason, info.metadata["silo"]) == ("SILO_UNAVAILABLE", "hospital")
    assert detail(error, RetryInfo).retry_delay.seconds == 1


async def test_a_database_that_is_gone_is_unavailable_within_a_second(
    plain_database: str,
) -> None:
    async with behind_a_proxy(plain_database) as (proxy, channel):
        sleeping = asyncio.create_task(refused(call(channel, "Override", metadata=AS_STAFF)))
        await until_sleeping(plain_database, 1)
        await proxy.cut()

        error, seconds = await timed(refused(call(channel, "Open")))
        is_unavailable(error)
        assert seconds < PROMISED
        is_unavailable(await asyncio.wait_for(sleeping, PROMISED))

        await proxy.open()
        await until_status(channel, SERVING)
        for _ in range(20):  # one by one: at once, they are more than a pool has that is just back
            await finish(call(channel, "Open"))


async def test_a_database_that_hangs_is_unavailable_within_a_second(plain_database: str) -> None:
    async with behind_a_proxy(plain_database) as (proxy, channel):
        proxy.stall()

        errors = await asyncio.gather(
            *(timed(refused(call(channel, "Answer", WRITE, metadata=AS_STAFF))) for _ in range(8))
        )

        for error, seconds in errors:
            is_unavailable(error)
            assert seconds < PROMISED
        known = [(await timed(refused(call(channel, "Open"))))[1] for _ in range(5)]
        assert min(known) < 0.4  # nothing is tried; one may meet a pause of the machine

        proxy.flow()
        await until_status(channel, SERVING)
        for _ in range(20):  # one by one: at once, they are more than a pool has that is just back
            await finish(call(channel, "Open"))


async def test_an_exhausted_pool_is_overload_and_health_stays_green(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)
        sleepers: list[asyncio.Task[grpc.aio.AioRpcError]] = []
        async with asyncio.timeout(20):
            while (asleep := await sleeping(dsn)) < POOL_SIZE:
                # A pool grows one by one: who was told to come again is replaced.
                sleepers = [each for each in sleepers if not each.done()]
                if len(sleepers) == asleep:  # nobody is on the way
                    late = refused(call(channel, "Override", metadata=AS_STAFF, timeout=None))
                    sleepers.append(asyncio.create_task(late))
        sleepers = [each for each in sleepers if not each.done()]

        error, seconds = await timed(refused(call(channel, "Open")))

        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert detail(error, ErrorInfo).reason == "OVERLOADED"
        assert seconds < PROMISED
        await until_status(channel, SERVING)
        ends = await asyncio.gather(*sleepers)

    assert {each.code() for each in ends} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert detail(ends[0], ErrorInfo).reason == "DEADLINE_EXCEEDED"  # ours: in time to be told
    await until_sleeping(dsn, 0)  # and the statements ended with their callers


@pytest.mark.parametrize("seconds", [0.001, 0.015])
async def test_a_call_without_time_left_begins_nothing(plain_database: str, seconds: float) -> None:
    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)
        for _ in range(20):
            under_way = call(channel, "Answer", WRITE, metadata=AS_STAFF, timeout=seconds)
            error = await refused(under_way)
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        (answer,) = await finish(call(channel, "Open", WRITE))

    assert answer.text == "0"


async def test_a_caller_who_leaves_takes_its_statement_along(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)
        under_way: Any = call(channel, "Override", metadata=AS_STAFF)
        await until_sleeping(dsn, 1)

        under_way.cancel()

        await until_sleeping(dsn, 0)


async def test_a_commit_without_answer_is_unknown_until_it_is_repeated(
    plain_database: str,
) -> None:
    async with behind_a_proxy(plain_database) as (proxy, channel):
        await finish(call(channel, "Open", WRITE))  # connected
        proxy.stall_after = b"COMMIT"

        error, seconds = await timed(refused(call(channel, "Answer", WRITE, metadata=AS_STAFF)))

        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert detail(error, ErrorInfo).reason == "OUTCOME_UNKNOWN"
        assert seconds < PROMISED

        proxy.stall_after = None
        proxy.flow()
        await until_status(channel, SERVING)
        (repeated,) = await finish(call(channel, "Answer", WRITE, metadata=AS_STAFF))
        (counted,) = await finish(call(channel, "Open", WRITE))

    assert (repeated.text, counted.text) == ("wrote a visit", "1")


async def test_one_lost_connection_is_taken_for_all(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    ends = (  # of the pool, not of the probe, which would tell as well
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename = 'hospital_service' AND query NOT LIKE '%alembic_version%'"
    )
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)
        await until_pool_stands("hospital")
        requests = [EchoRequest(request_id=str(uuid4()), text="a visit") for _ in range(12)]
        await asyncio.gather(
            *(finish(call(channel, "Answer", each, metadata=AS_STAFF)) for each in requests)
        )
        async with await AsyncConnection.connect(superuser_of(dsn), autocommit=True) as admin:
            ended = await (await admin.execute(ends)).fetchall()
        assert len(ended) > 1

        is_unavailable(await refused(call(channel, "Open", WRITE)))
        for _ in range(len(ended)):
            await finish(call(channel, "Open", WRITE))
