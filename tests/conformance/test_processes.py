"""What every silo's process promises: health, reflection, one stamp, one way to be refused."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from medport.common.v1 import event_log_pb2

from chassis.health import SERVING
from chassis.interceptors import methods
from chassis.interceptors.methods import Method
from tests.integration.chassis.test_health import until_status
from tests.integration.chassis.test_server import services
from tests.support.databases import SILOS, Databases
from tests.support.echo import refused
from tests.support.guarded import detail, trailers
from tests.support.silos import Keys, running

MALFORMED = b"\x0a\xff\xff"


@pytest.fixture(params=SILOS)
def silo(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dsn(silo: str, databases: Databases) -> Iterator[str]:
    with databases.fresh(silo) as fresh:
        yield fresh


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def serving(silo: str, dsn: str, keys: Keys) -> AsyncIterator[grpc.aio.Channel]:
    async with running(silo, dsn, keys) as (_, opened):
        await until_status(opened, SERVING)
        yield opened


async def served(opened: grpc.aio.Channel) -> list[Method]:
    """Return what the silo says it serves of the contract."""
    names = [name for name in await services(opened) if name.startswith("medport.")]
    return [method for name in names for method in methods.of(name).values()]


def begun(opened: grpc.aio.Channel, method: Method, request: bytes, token: str | None) -> Any:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    reads, writes = method.streams_requests, method.streams_answers
    arity = f"{'stream' if reads else 'unary'}_{'stream' if writes else 'unary'}"
    call = getattr(opened, arity)(method.path)
    return call(iter([request]) if reads else request, metadata=metadata, timeout=10)


async def test_health_knows_each_service_and_its_package(
    serving: grpc.aio.Channel, silo: str
) -> None:
    stub: Any = health_pb2_grpc.HealthStub(serving)
    listed = (await stub.List(health_pb2.HealthListRequest())).statuses

    expected = {"", f"medport.{silo}.v1", f"medport.{silo}.events.v1"}
    expected |= {method.service for method in await served(serving)}
    assert {name: each.status for name, each in listed.items()} == dict.fromkeys(expected, SERVING)


async def test_a_silo_serves_the_whole_of_its_contract(
    serving: grpc.aio.Channel, silo: str
) -> None:
    reflected = {name for name in await services(serving) if name.startswith("medport.")}

    assert f"medport.{silo}.events.v1.EventLogService" in reflected
    assert f"medport.{silo}.v1.SessionService" in reflected
    assert all(name.startswith(f"medport.{silo}.") for name in reflected)


async def test_nobody_without_a_token_gets_past_a_named_method(
    serving: grpc.aio.Channel,
) -> None:
    for method in await served(serving):
        if method.anonymous:
            continue
        error = await refused(begun(serving, method, b"", None))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED, method.path
        assert detail(error, ErrorInfo).reason == "UNAUTHENTICATED"


async def test_a_process_of_the_mesh_may_call_what_is_granted_to_processes(
    serving: grpc.aio.Channel, silo: str, keys: Keys
) -> None:
    peer = next(each for each in SILOS if each != silo)
    token = keys.bearer(peer, silo)
    for method in await served(serving):
        if method.anonymous:
            continue
        admits = any("SERVICE" in grant.roles for grant in method.grants)
        error = await refused(begun(serving, method, MALFORMED, token))
        expected = grpc.StatusCode.INVALID_ARGUMENT if admits else grpc.StatusCode.PERMISSION_DENIED
        assert error.code() is expected, method.path


async def test_malformed_bytes_are_refused_by_every_open_method(
    serving: grpc.aio.Channel,
) -> None:
    for method in await served(serving):
        if method.anonymous:
            error = await refused(begun(serving, method, MALFORMED, None))
            assert detail(error, ErrorInfo).reason == "MALFORMED_REQUEST", method.path


async def test_every_answer_is_stamped(serving: grpc.aio.Channel, silo: str) -> None:
    for method in await served(serving):
        error = await refused(begun(serving, method, MALFORMED, None))
        stamps = trailers(error.trailing_metadata())
        assert stamps["x-medport-served-by"].startswith(f"{silo}/"), method.path
        assert stamps["x-request-id"]


async def test_a_subscription_ends_well_when_the_process_stops(
    silo: str, dsn: str, keys: Keys
) -> None:
    async with running(silo, dsn, keys) as (process, opened):
        await until_status(opened, SERVING)
        stream = await subscribed(opened, silo, keys)

        stopping = asyncio.create_task(process.stop(grace=10))
        frames = []
        while (frame := await stream.read()) is not grpc.aio.EOF:
            frames.append(frame.WhichOneof("frame"))

        assert frames[-1] == "stream_end"
        assert await stream.code() is grpc.StatusCode.OK
        await asyncio.wait_for(stopping, 8)


async def subscribed(opened: grpc.aio.Channel, silo: str, keys: Keys) -> Any:
    """Subscribe as a peer; the log of a process just started may ask to come back."""
    package = f"medport.{silo}.events.v1"
    pb: Any = importlib.import_module(f"{package}.event_log_pb2")
    peer = next(each for each in SILOS if each != silo)
    request = pb.SubscribeRequest(subscriber=f"{peer}.conformance")
    request.start.origin = event_log_pb2.START_ORIGIN_EARLIEST
    subscribe: Any = opened.unary_stream(
        f"/{package}.EventLogService/Subscribe",
        pb.SubscribeRequest.SerializeToString,
        pb.SubscribeResponse.FromString,
    )
    metadata = (("authorization", f"Bearer {keys.bearer(peer, silo)}"),)
    stream = subscribe(request, metadata=metadata)
    assert (await stream.read()).WhichOneof("frame") == "started"
    return stream
