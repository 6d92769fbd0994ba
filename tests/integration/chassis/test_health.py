"""Health tells the truth about a silo: it serves while its database answers, on a new schema."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.health import NOT_SERVING, SERVING
from tests.support import clinic, echo
from tests.support.databases import superuser_of
from tests.support.fault_proxy import between
from tests.support.waiting import until

NAMES = ["", echo.PACKAGE, echo.SERVICE]


def stub(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def status(channel: grpc.aio.Channel, name: str = "") -> int:
    answer = await stub(channel).Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


async def until_status(channel: grpc.aio.Channel, wanted: int) -> None:
    async def is_wanted() -> bool:
        return await status(channel) == wanted

    await until(is_wanted)


async def test_every_name_serves_once_the_database_answered(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)

        listed = await stub(channel).List(health_pb2.HealthListRequest())

    assert {name: each.status for name, each in listed.statuses.items()} == dict.fromkeys(
        NAMES, SERVING
    )


async def test_a_name_nobody_serves_is_not_found(plain_database: str) -> None:
    async with clinic.running(clinic.settings(plain_database)) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await status(channel, "medport.nowhere.v1.NoService")

    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_schema_too_old_is_waited_for(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    clinic.set_revision(dsn, "0001")
    async with clinic.running(clinic.settings(dsn)) as (process, channel):
        watch = stub(channel).Watch(health_pb2.HealthCheckRequest(service=echo.SERVICE))
        first = await watch.read()
        assert first.status == NOT_SERVING
        refused = await echo.refused(echo.call(channel, "Open"))
        assert refused.code() is grpc.StatusCode.UNAVAILABLE

        clinic.set_revision(dsn, "0003")  # newer than this code is new enough

        assert (await watch.read()).status == SERVING
        stopping = asyncio.create_task(process.stop(grace=5))
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        await stopping  # and did not wait for its grace


async def test_who_watches_a_draining_process_waits_for_its_end(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn)) as (process, channel):
        await until_status(channel, SERVING)
        watches = 0

        async def watch_again_and_again() -> None:
            """As the runtime does for each of a balancing client's connections."""
            nonlocal watches
            with contextlib.suppress(grpc.aio.AioRpcError):
                while True:
                    watches += 1
                    async for _ in stub(channel).Watch(health_pb2.HealthCheckRequest()):
                        pass

        watching = asyncio.create_task(watch_again_and_again())
        await process.stop(grace=5)
        await watching

    assert watches <= 3, "a watch that ends is begun anew at once: a loop over the network"


async def test_a_process_starts_without_its_database_and_serves_when_it_comes(
    plain_database: str,
) -> None:
    clinic.prepare(plain_database)
    async with between(plain_database) as (proxy, dsn):
        await proxy.cut()
        async with clinic.running(clinic.settings(dsn)) as (_, channel):
            assert await status(channel) == NOT_SERVING

            await proxy.open()

            await until_status(channel, SERVING)
            await echo.finish(echo.call(channel, "Open"))


async def test_health_follows_the_database_away_and_back(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    admin = psycopg.conninfo.make_conninfo(superuser_of(dsn), dbname="postgres")
    allow = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        await until_status(channel, SERVING)
        with psycopg.connect(admin, autocommit=True) as connection:
            identifier = psycopg.sql.Identifier(str(name))
            connection.execute(allow.format(identifier, psycopg.sql.SQL("false")))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            await until_status(channel, NOT_SERVING)
            connection.execute(allow.format(identifier, psycopg.sql.SQL("true")))

        await until_status(channel, SERVING)
        for _ in range(20):  # one by one: at once, they are more than a pool has that is just back
            await echo.finish(echo.call(channel, "Open"))


async def test_a_role_that_may_do_more_does_not_serve(
    plain_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = superuser_of(clinic.prepare(plain_database))
    async with clinic.running(clinic.settings(dsn)) as (_, channel):
        said = ""

        async def is_said() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return "rights of an administrator" in said

        await until(is_said)
        assert await status(channel) == NOT_SERVING


def check(address: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chassis.health", address]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


async def test_a_container_check_exits_with_what_health_says(plain_database: str) -> None:
    async with clinic.running(clinic.settings(plain_database)) as (process, channel):
        address = f"127.0.0.1:{process.port}"
        away = await asyncio.to_thread(check, address)
        clinic.prepare(plain_database)
        await until_status(channel, SERVING)
        there = await asyncio.to_thread(check, address)
    nobody = await asyncio.to_thread(check, "127.0.0.1:1")

    assert (away.returncode, away.stderr) == (1, f"{address}: NOT_SERVING\n")
    assert (there.returncode, there.stderr) == (0, "")
    assert (nobody.returncode, nobody.stderr) == (1, "127.0.0.1:1: UNAVAILABLE\n")
