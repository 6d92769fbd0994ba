"""A service of four arities, made in memory: what guards are tested around."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from medport.common.v1 import access_pb2

from chassis.channels import CHANNEL, SERVER
from chassis.interceptors.guards import Guard, GuardedServer

PACKAGE = "medport.test.v1"
SERVICE = f"{PACKAGE}.EchoService"
ARITIES = {
    "Answer": ("unary_unary", False, False),
    "Stream": ("unary_stream", False, True),
    "Collect": ("stream_unary", True, False),
    "Converse": ("stream_stream", True, True),
    "Open": ("unary_unary", False, False),
    "Override": ("unary_unary", False, False),
    "Own": ("unary_unary", False, False),
}
INPUTS = {"Own": "OwnRequest"}  # the others take an EchoRequest


RULES: Any = validate_pb2  # its names are made at run time


def _field(name: str, number: int, type_: Any, **more: Any) -> descriptor_pb2.FieldDescriptorProto:
    label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    return descriptor_pb2.FieldDescriptorProto(
        name=name, number=number, type=type_, label=label, **more
    )


def _request() -> descriptor_pb2.DescriptorProto:
    kinds = descriptor_pb2.FieldDescriptorProto
    request_id = _field("request_id", 1, kinds.TYPE_STRING)
    request_id.options.Extensions[RULES.field].string.uuid = True
    text = _field("text", 2, kinds.TYPE_STRING)
    text.options.Extensions[RULES.field].string.max_len = 20
    texts = _field("texts", 3, kinds.TYPE_STRING)
    texts.label = kinds.LABEL_REPEATED
    inner = _field("inner", 4, kinds.TYPE_MESSAGE, type_name=f".{PACKAGE}.EchoRequest")
    inner.options.Extensions[RULES.field].ignore = RULES.IGNORE_ALWAYS
    return descriptor_pb2.DescriptorProto(
        name="EchoRequest", field=[request_id, text, texts, inner]
    )


def _own_request() -> descriptor_pb2.DescriptorProto:
    kinds = descriptor_pb2.FieldDescriptorProto
    hospital_id = _field("hospital_id", 1, kinds.TYPE_STRING)
    hospital_id.options.Extensions[RULES.field].string.uuid = True
    text = _field("text", 2, kinds.TYPE_STRING)
    text.options.Extensions[RULES.field].string.max_len = 20
    return descriptor_pb2.DescriptorProto(name="OwnRequest", field=[hospital_id, text])


def _file() -> descriptor_pb2.FileDescriptorProto:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="medport/test/v1/echo.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=["medport/common/v1/access.proto", "buf/validate/validate.proto"],
        message_type=[
            _request(),
            _own_request(),
            descriptor_pb2.DescriptorProto(
                name="EchoResponse", field=[_field("text", 1, kinds.TYPE_STRING)]
            ),
        ],
    )
    for service, has_access in (("EchoService", True), ("UnruledService", False)):
        made = file.service.add(name=service)
        for name, (_, reads, writes) in ARITIES.items():
            method = made.method.add(
                name=name,
                input_type=f".{PACKAGE}.{INPUTS.get(name, 'EchoRequest')}",
                output_type=f".{PACKAGE}.EchoResponse",
                client_streaming=reads,
                server_streaming=writes,
            )
            method.options.idempotency_level = descriptor_pb2.MethodOptions.IDEMPOTENT
            if has_access:
                _rule(method.options.Extensions[access_pb2.access], name)
    return file


def _rule(rule: Any, name: str) -> None:
    if name == "Open":
        rule.anonymous = True
        return
    own = rule.grants.add(scope=access_pb2.SCOPE_OWN_TENANT)
    own.roles.append(access_pb2.ROLE_HOSPITAL_STAFF)
    if name == "Override":
        any_ = rule.grants.add(scope=access_pb2.SCOPE_ANY_TENANT)
        any_.roles.append(access_pb2.ROLE_CENTER_COORDINATOR)
        any_.permission = access_pb2.PERMISSION_TRIP_OVERRIDE


descriptor_pool.Default().AddSerializedFile(_file().SerializeToString())
_pool = descriptor_pool.Default()
EchoRequest: Any = message_factory.GetMessageClass(
    _pool.FindMessageTypeByName(f"{PACKAGE}.EchoRequest")
)
OwnRequest: Any = message_factory.GetMessageClass(
    _pool.FindMessageTypeByName(f"{PACKAGE}.OwnRequest")
)
EchoResponse: Any = message_factory.GetMessageClass(
    _pool.FindMessageTypeByName(f"{PACKAGE}.EchoResponse")
)

Behaviour = Callable[..., Any]


def register(server: Any, behaviours: dict[str, Behaviour], service: str = SERVICE) -> None:
    """Register like generated code does."""
    handlers = {
        name: getattr(grpc, f"{ARITIES[name][0]}_rpc_method_handler")(
            behaviour,
            request_deserializer=(OwnRequest if name in INPUTS else EchoRequest).FromString,
            response_serializer=EchoResponse.SerializeToString,
        )
        for name, behaviour in behaviours.items()
    }
    generic = grpc.method_handlers_generic_handler(service, handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers(service, handlers)


@asynccontextmanager
async def serving(
    behaviours: dict[str, Behaviour], guards: list[Guard], options: tuple[Any, ...] = CHANNEL
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve ``behaviours`` inside ``guards`` on a free port; yield a channel to them."""
    server = grpc.aio.server(options=SERVER)
    register(GuardedServer(server, guards), behaviours)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel
    await server.stop(grace=None)


def call(
    channel: grpc.aio.Channel,
    name: str,
    *requests: Any,
    metadata: tuple[tuple[str, str], ...] = (),
    timeout: float | None = 10,
) -> Any:
    """Begin an RPC; requests are messages, or bytes that are sent as they are."""
    arity, reads, _ = ARITIES[name]

    def written(request: Any) -> bytes:
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        return bytes(raw)

    method = getattr(channel, arity)(
        f"/{SERVICE}/{name}",
        request_serializer=written,
        response_deserializer=EchoResponse.FromString,
    )
    given = requests or (EchoRequest(request_id="0198f000-0000-7000-8000-000000000001"),)
    if reads and not isinstance(given[0], AsyncIterable):
        return method(iter(given), metadata=metadata, timeout=timeout)
    return method(given[0], metadata=metadata, timeout=timeout)


async def finish(under_way: Any) -> list[Any]:
    """Return every answer of a call; raises its error."""
    if isinstance(under_way, AsyncIterable):
        return [answer async for answer in under_way]
    if isinstance(under_way, Awaitable):
        return [await under_way]
    raise TypeError(under_way)


async def refused(under_way: Any) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    try:
        await finish(under_way)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call was answered")


async def refused_unasked(
    channel: grpc.aio.Channel, name: str, *requests: Any, **given: Any
) -> Any:
    """Return what refuses a call before it has asked anything, where it may ask later.

    The client of grpc.aio loses the status of a stream that ends while it writes.
    """
    over = asyncio.Event()

    async def nothing() -> AsyncIterator[Any]:
        await over.wait()
        for each in list[Any]():
            yield each

    _, reads, _ = ARITIES[name]
    try:
        return await refused(call(channel, name, *([nothing()] if reads else requests), **given))
    finally:
        over.set()
