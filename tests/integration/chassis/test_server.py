"""A silo as a process: it drains on SIGTERM, describes itself, and says what it cannot do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.channels import CHANNEL
from chassis.health import SERVING
from chassis.server import Kit
from chassis.timers import every
from chassis.unit_of_work import Database
from mesh.postgres import free_port
from tests.integration.chassis.test_health import status, until_status
from tests.integration.chassis.test_outages import until_sleeping
from tests.support import clinic, echo
from tests.support.echo import EchoRequest, EchoResponse, call, finish, refused
from tests.support.guarded import AS_STAFF, REQUEST_ID, detail, trailers

V1 = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


@asynccontextmanager
async def a_process(dsn: str, metrics: str = "") -> AsyncIterator[tuple[Process, grpc.aio.Channel]]:
    """Run the clinic as a program of its own; yield it and a channel to it."""
    environ = {**os.environ, "GRPC_VERBOSITY": "NONE"}
    command = ("-m", "tests.support.clinic", dsn, metrics)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, stderr=DEVNULL, env=environ
    )
    assert process.stdout is not None
    try:
        port = None
        while port is None:
            port = json.loads(await process.stdout.readline()).get("port")
        address = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(address, options=CHANNEL) as channel:
            yield process, channel
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_sigterm_lets_what_is_under_way_end(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    async with a_process(dsn) as (process, channel):
        await until_status(channel, SERVING)
        sleeping = asyncio.create_task(
            refused(call(channel, "Override", metadata=AS_STAFF, timeout=None))
        )
        await until_sleeping(dsn, 1)

        process.send_signal(signal.SIGTERM)

        error = await sleeping
        assert detail(error, ErrorInfo).reason == "DEADLINE_EXCEEDED"  # its own end, not ours
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_second_sigterm_exits_at_once(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    async with a_process(dsn) as (process, channel):
        await until_status(channel, SERVING)
        sleeping = asyncio.create_task(refused(call(channel, "Override", metadata=AS_STAFF)))
        await until_sleeping(dsn, 1)

        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        while json.loads(await process.stdout.readline())["event"] != "draining":
            pass
        process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), 10) == 128 + signal.SIGTERM
        await sleeping


async def test_metrics_have_the_names_that_dashboards_know(plain_database: str) -> None:
    dsn = clinic.prepare(plain_database)
    address = f"127.0.0.1:{free_port()}"
    async with a_process(dsn, address) as (_, channel):
        await until_status(channel, SERVING)
        await finish(call(channel, "Open"))
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        body = (await reader.read()).decode()
        writer.close()

    labels = f'grpc_method="Open",grpc_service="{echo.SERVICE}",grpc_type="unary"'
    assert f'grpc_server_handled_total{{grpc_code="OK",{labels}}} 1.0' in body
    assert f"grpc_server_started_total{{{labels}}} 1.0" in body
    assert f"grpc_server_handling_seconds_count{{{labels}}} 1.0" in body


async def test_an_address_that_is_taken_is_one_line(plain_database: str) -> None:
    async with clinic.running(clinic.settings(plain_database)) as (process, _):
        taken = f"127.0.0.1:{process.port}"
        command = ("-m", "tests.support.clinic", plain_database, taken)
        second = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=DEVNULL, stderr=PIPE
        )
        _, said = await second.communicate()

    assert said.decode() == f"MEDPORT_METRICS_LISTEN: cannot listen on {taken}\n"
    assert second.returncode == 2


async def test_open_streams_hear_of_the_drain(plain_database: str) -> None:
    def draining(_database: Database, kit: Kit) -> clinic.Behaviours:
        async def watch(_request: Any, _context: Any) -> AsyncIterator[Any]:
            yield EchoResponse(text="watching")
            await kit.draining.wait()
            yield EchoResponse(text="draining")

        return {"Stream": watch}

    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn), clinic.build(draining)) as (process, channel):
        await until_status(channel, SERVING)
        stream: Any = call(channel, "Stream", metadata=AS_STAFF)
        assert (await stream.read()).text == "watching"

        stopping = asyncio.create_task(process.stop(grace=10))

        assert (await stream.read()).text == "draining"
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK
        await asyncio.wait_for(stopping, 9)


async def test_who_does_not_read_keeps_nobody_waiting_and_a_call_is_waited_for(
    plain_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.stopping.STREAMS_SECONDS", 0.2)
    flooded, decided, entered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def behaving(_database: Database, _kit: Kit) -> clinic.Behaviours:
        async def flood(_request: Any, _context: Any) -> AsyncIterator[Any]:
            while True:  # more than a connection takes for who does not read
                flooded.set()
                yield EchoResponse(text="x" * 1_000_000)

        async def decide(_request: Any, _context: Any) -> Any:
            entered.set()
            await decided.wait()
            return EchoResponse(text="decided")

        return {"Stream": flood, "Override": decide}

    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn), clinic.build(behaving)) as (process, channel):
        await until_status(channel, SERVING)
        stream: Any = call(channel, "Stream", metadata=AS_STAFF, timeout=None)  # unread
        await flooded.wait()
        deciding = asyncio.create_task(finish(call(channel, "Override", metadata=AS_STAFF)))
        await entered.wait()

        stopped = asyncio.create_task(process.stop(grace=60))

        assert not (await asyncio.wait({stopped}, timeout=2))[0]  # a call is under way
        decided.set()
        ((answer,),) = await asyncio.gather(deciding)
        assert answer.text == "decided"
        await asyncio.wait_for(stopped, 20)  # of the 60 s that the stream would take
        with pytest.raises(grpc.aio.AioRpcError):
            await finish(stream)


async def test_calls_are_taken_until_everybody_had_time_to_hear_of_the_drain(
    plain_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.server.NOTICE_SECONDS", 60)  # nobody waits for its end here
    dsn = clinic.prepare(plain_database)
    async with clinic.running(clinic.settings(dsn)) as (process, channel):
        await until_status(channel, SERVING)
        stopping = asyncio.create_task(process.stop(grace=60))
        try:
            async with asyncio.timeout(20):
                while await status(channel) == SERVING:
                    pass
            await finish(call(channel, "Open"))  # by a client who has not looked yet
            async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}", CHANNEL) as late:
                await finish(call(late, "Open"))
            assert not stopping.done()
        finally:
            stopping.cancel()


async def test_a_method_nobody_serves_is_named(plain_database: str) -> None:
    async with clinic.running(clinic.settings(plain_database)) as (_, channel):
        method: Any = channel.unary_unary("/medport.hospital.v1.NoService/Do")
        error = await refused(method(b""))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "/medport.hospital.v1.NoService/Do" in (error.details() or "")
    assert detail(error, ErrorInfo).reason == "UNIMPLEMENTED"
    assert trailers(error.trailing_metadata())["x-medport-served-by"].startswith("hospital/")


async def test_timers_sweep_while_the_database_is_there(plain_database: str) -> None:
    swept = asyncio.Event()

    async def sweep(database: Database, _clock: Any) -> int:
        async with database.begin(None) as uow:
            await uow.execute(clinic.ADD, text="swept")
        swept.set()
        return 1

    built = clinic.build(timers=lambda: [every(60, sweep)])
    async with clinic.running(clinic.settings(plain_database), built) as (_, channel):
        assert await status(channel) != SERVING
        clinic.prepare(plain_database)

        await asyncio.wait_for(swept.wait(), 30)
        (answer,) = await finish(
            call(channel, "Open", EchoRequest(request_id=REQUEST_ID, text="swept"))
        )

    assert answer.text == "1"


async def services(channel: grpc.aio.Channel, *, token: str | None = None) -> list[str]:
    """List services the way each version of the protocol asks."""
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    alpha = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    v1: Any = channel.stream_stream(
        V1, type(request).SerializeToString, reflection_pb2.ServerReflectionResponse.FromString
    )
    listed = []
    for version in (alpha, v1):
        (response,) = [each async for each in version(iter([request]), metadata=metadata)]
        listed.append(sorted(each.name for each in response.list_services_response.service))
    assert listed[0] == listed[1]
    return listed[0]


async def test_reflection_describes_what_is_served(plain_database: str) -> None:
    async with clinic.running(clinic.settings(plain_database)) as (_, channel):
        listed = await services(channel)

    assert echo.SERVICE in listed
    assert "grpc.health.v1.Health" in listed


async def test_reflection_can_ask_for_a_token_or_be_off(plain_database: str) -> None:
    async with clinic.running(clinic.settings(plain_database, reflection="token")) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await services(channel)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert echo.SERVICE in await services(channel, token="staff")  # noqa: S106 - of a test
    async with clinic.running(clinic.settings(plain_database, reflection="off")) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await services(channel)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
