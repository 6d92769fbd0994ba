"""What the router tells about the mesh needs no silo: contract, health, status, routes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from medport.common.v1 import vocabulary_pb2
from medport.router.v1 import gateway_pb2, gateway_pb2_grpc

from chassis.health import NOT_SERVING, SERVING
from router.routes import SILOS, read_descriptors, routes_of
from tests.support.obedient_silo import service
from tests.support.routed_mesh import Mesh, router_settings, routing, until_true

IMAGE = Path("build/medport.binpb")
NOBODY = dict.fromkeys(SILOS, "127.0.0.1:1")


@pytest.fixture
async def lonely(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel to a router of the real contract whose silos are all down."""
    settings = router_settings(NOBODY, tmp_path)
    async with routing(settings, read_descriptors(IMAGE)) as (_, channel):
        yield channel


def asking(channel: grpc.aio.Channel, version: str) -> Any:
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    talk: Any = channel.stream_stream(
        path,
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    return talk()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_is_complete_with_every_silo_down(
    lonely: grpc.aio.Channel, version: str
) -> None:
    talk = asking(lonely, version)
    await talk.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = {each.name for each in (await talk.read()).list_services_response.service}

    public = {route.method.service for route in routes_of(read_descriptors(IMAGE)).values()}
    assert public <= listed
    assert "medport.router.v1.GatewayService" in listed
    for symbol in sorted(listed | {"google.rpc.BadRequest"}):
        await talk.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
        assert (await talk.read()).file_descriptor_response.file_descriptor_proto, symbol
    await talk.done_writing()


async def test_descriptions_hold_the_comments(lonely: grpc.aio.Channel) -> None:
    talk, symbol = asking(lonely, "v1"), "medport.router.v1.GatewayService"
    await talk.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
    served = (await talk.read()).file_descriptor_response.file_descriptor_proto
    await talk.done_writing()

    file = FileDescriptorProto.FromString(served[0])
    comments = {each.leading_comments.strip() for each in file.source_code_info.location}
    assert "Tells what the router knows about the mesh." in comments


async def test_reflection_can_be_closed(tmp_path: Path) -> None:
    descriptors = read_descriptors(IMAGE)
    for mode, code in (
        ("off", grpc.StatusCode.UNIMPLEMENTED),
        ("token", grpc.StatusCode.UNAUTHENTICATED),
    ):
        settings = router_settings(NOBODY, tmp_path, reflection=mode)
        async with routing(settings, descriptors) as (_, channel):
            talk = asking(channel, "v1")
            # It may be refused before it could ask.
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await talk.write(reflection_pb2.ServerReflectionRequest(list_services=""))
                await talk.done_writing()
            assert await talk.code() is code


@pytest.mark.skipif(shutil.which("grpcurl", path=".venv/bin") is None, reason="no grpcurl")
async def test_grpcurl_lists_and_describes(tmp_path: Path) -> None:
    async with routing(router_settings(NOBODY, tmp_path), read_descriptors(IMAGE)) as (router, _):
        listed = await grpcurl(router.port, "list")
        described = await grpcurl(router.port, "describe", "medport.router.v1.GatewayService")
        method = await grpcurl(
            router.port, "describe", "medport.hospital.v1.SessionService.CreateSession"
        )
        status = await grpcurl(router.port, "medport.router.v1.GatewayService/GetMeshStatus")

    assert "medport.hospital.events.v1.EventLogService" in listed
    assert "// Lists every public method" in described
    assert "CreateSessionRequest" in method
    assert "SILO_HOSPITAL" in status


async def grpcurl(port: int, *arguments: str) -> str:
    address = f"127.0.0.1:{port}"
    program = await asyncio.create_subprocess_exec(
        ".venv/bin/grpcurl",
        "-plaintext",
        address,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await program.communicate()
    assert program.returncode == 0, output
    return output.decode()


async def test_health_of_the_router_is_its_own(lonely: grpc.aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(lonely)

    own = await stub.Check(health_pb2.HealthCheckRequest())
    silo = await stub.Check(health_pb2.HealthCheckRequest(service="medport.ems.v1"))
    listed = (await stub.List(health_pb2.HealthListRequest())).statuses

    assert (own.status, silo.status) == (SERVING, NOT_SERVING)
    assert listed["medport.router.v1"].status == SERVING
    assert listed["medport.hospital.events.v1.EventLogService"].status == NOT_SERVING


async def test_names_follow_their_silo(mesh: Mesh) -> None:
    stub = health_pb2_grpc.HealthStub(mesh.proxied)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="medport.ems.v1"))
    while (await watch.read()).status != SERVING:
        pass

    await mesh.silos["ems"].health.turn(serving=False)

    assert (await watch.read()).status == NOT_SERVING
    statuses = (await stub.List(health_pb2.HealthListRequest())).statuses
    assert statuses[service("ems")].status == NOT_SERVING
    assert statuses[service("hospital")].status == SERVING
    watch.cancel()


async def test_the_mesh_status_names_who_does_not_answer(mesh: Mesh) -> None:
    stub: Any = gateway_pb2_grpc.GatewayServiceStub(mesh.proxied)
    await mesh.silos["ems"].stop()
    await until_true(lambda: not mesh.router.monitors["ems"].seen.reachable)
    await until_true(lambda: mesh.router.monitors["hospital"].seen.serving)

    answer = await stub.GetMeshStatus(gateway_pb2.GetMeshStatusRequest())

    hospital, ems = answer.silos
    assert (hospital.silo, ems.silo) == (vocabulary_pb2.SILO_HOSPITAL, vocabulary_pb2.SILO_EMS)
    assert hospital.reachable
    assert hospital.serving
    assert hospital.breaker_state == gateway_pb2.BREAKER_STATE_CLOSED
    assert hospital.latency_duration.nanos > 0
    assert not ems.reachable
    assert not ems.serving
    assert [each.silo for each in answer.unanswered_silos] == [vocabulary_pb2.SILO_EMS]


async def test_the_mesh_status_tells_where_each_log_ends(mesh: Mesh) -> None:
    stub: Any = gateway_pb2_grpc.GatewayServiceStub(mesh.proxied)
    for position in (41, 42, 0):  # a process that has just started has not looked yet
        mesh.silos["hospital"].position = position
        await mesh.router.monitors["hospital"].probe()
        await mesh.router.monitors["ems"].probe()
        answer = await stub.GetMeshStatus(gateway_pb2.GetMeshStatusRequest())
        assert [each.event_position for each in answer.silos] == [position or 42, 0]


async def test_routes_are_listed_page_by_page(lonely: grpc.aio.Channel) -> None:
    stub: Any = gateway_pb2_grpc.GatewayServiceStub(lonely)
    listed, token = [], ""
    while True:
        request = gateway_pb2.ListRoutesRequest(page_size=20, page_token=token)
        page = await stub.ListRoutes(request)
        listed += page.routes
        token = page.next_page_token
        if not token:
            break

    assert [each.method for each in listed] == list(routes_of(read_descriptors(IMAGE)))
    by_path = {each.method: each for each in listed}
    login = by_path["/medport.hospital.v1.SessionService/CreateSession"]
    assert login.silo == vocabulary_pb2.SILO_HOSPITAL
    assert login.idempotency == gateway_pb2.IDEMPOTENCY_UNKNOWN
    assert not login.retried
    assert login.access.anonymous
    assert login.default_deadline_duration.seconds == 5
    subscribe = by_path["/medport.hospital.events.v1.EventLogService/Subscribe"]
    assert subscribe.arity == gateway_pb2.ARITY_SERVER_STREAM
    assert not subscribe.HasField("default_deadline_duration")


async def test_the_routers_own_rules_are_kept(lonely: grpc.aio.Channel) -> None:
    stub: Any = gateway_pb2_grpc.GatewayServiceStub(lonely)
    broken: tuple[dict[str, Any], ...] = ({"page_size": -1}, {"page_token": "made up"})
    for fields in broken:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListRoutes(gateway_pb2.ListRoutesRequest(**fields))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
