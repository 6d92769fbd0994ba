"""A silo of four arities that does what the first message says; what the router is tested with.

The same service is made in memory for two silos, so that one may be well while the other is not.
"""

from __future__ import annotations

import asyncio
import collections
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from grpc_health.v1 import health_pb2
from medport.common.v1 import access_pb2
from medport.hospital.v1 import transport_requests_pb2 as trips

from chassis import channels, health, reflection
from chassis.errors import FailedPrecondition, Unauthenticated, Unavailable
from chassis.interceptors import errors, validation
from chassis.interceptors.guards import GuardedServer
from chassis.server import GRACE_SECONDS, NOTICE_SECONDS

SILOS = ("hospital", "ems")
VERSIONS = ("v1", "v2")
METHODS = {  # name -> (reads a stream, writes a stream, idempotency level)
    "Echo": (False, False, MethodOptions.NO_SIDE_EFFECTS),
    "Store": (False, False, MethodOptions.IDEMPOTENCY_UNKNOWN),
    "Watch": (False, True, MethodOptions.NO_SIDE_EFFECTS),
    "Collect": (True, False, MethodOptions.IDEMPOTENT),
    "Chat": (True, True, MethodOptions.IDEMPOTENT),
}
GRANTED = {  # name -> roles and permission
    "StaffOnly": (("ROLE_HOSPITAL_STAFF",), "PERMISSION_UNSPECIFIED"),
    "StaffStore": (("ROLE_HOSPITAL_STAFF",), "PERMISSION_UNSPECIFIED"),
    "StaffSend": (("ROLE_HOSPITAL_STAFF",), "PERMISSION_UNSPECIFIED"),
    "StaffWatch": (("ROLE_HOSPITAL_STAFF",), "PERMISSION_UNSPECIFIED"),
    "StaffCollect": (("ROLE_HOSPITAL_STAFF",), "PERMISSION_UNSPECIFIED"),
    "Override": (("ROLE_CENTER_COORDINATOR",), "PERMISSION_TRIP_OVERRIDE"),
}
ALL = METHODS | {
    "StaffOnly": METHODS["Echo"],
    "StaffStore": (False, False, MethodOptions.IDEMPOTENT),
    "StaffSend": METHODS["Store"],
    "StaffWatch": METHODS["Watch"],
    "StaffCollect": METHODS["Collect"],
    "Override": METHODS["Echo"],
}


def service(silo: str, version: str = "v1") -> str:
    return f"medport.{silo}.{version}.ObedientService"


def _file(silo: str, version: str) -> descriptor_pb2.FileDescriptorProto:
    package = f"medport.{silo}.{version}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"medport/{silo}/{version}/obedient.proto",
        package=package,
        syntax="proto3",
        dependency=["medport/common/v1/access.proto"],
    )
    text = file.message_type.add(name="ObedientText").field.add(name="text", number=1)
    text.type, text.label = text.TYPE_STRING, text.LABEL_OPTIONAL
    made = file.service.add(name="ObedientService")
    for name, (reads, writes, level) in ALL.items():
        kind = f".{package}.ObedientText"
        rpc = made.method.add(name=name, input_type=kind, output_type=kind)
        rpc.client_streaming, rpc.server_streaming = reads, writes
        rpc.options.idempotency_level = level
        _rule(rpc.options.Extensions[access_pb2.access], name)
    return file


def _rule(rule: Any, name: str) -> None:
    if name not in GRANTED:
        rule.anonymous = True
        return
    roles, permission = GRANTED[name]
    grant = rule.grants.add(scope=access_pb2.SCOPE_OWN_TENANT)
    grant.roles.extend(access_pb2.Role.Value(each) for each in roles)
    grant.permission = access_pb2.Permission.Value(permission)


_pool = descriptor_pool.Default()
for _silo in SILOS:
    for _version in VERSIONS:
        _pool.AddSerializedFile(_file(_silo, _version).SerializeToString())
Text: Any = message_factory.GetMessageClass(
    _pool.FindMessageTypeByName("medport.hospital.v1.ObedientText")
)


def contract(*versions: str) -> FileDescriptorSet:
    """Return what the router is told of these services: their first version, or those given."""
    return reflection.describing(
        service(silo, version) for silo in SILOS for version in versions or VERSIONS[:1]
    )


def text(value: str) -> bytes:
    return bytes(Text(text=value).SerializeToString())


class ObedientSilo:
    """Counts what it saw; ``running`` is how many handlers are at work."""

    def __init__(self, silo: str = "hospital", name: str = "1") -> None:
        self.silo, self.name = silo, name
        self.seen: collections.Counter[str] = collections.Counter()
        self.remaining: float | None = None  # of the newest call's time, as it came
        self.running = 0
        self.peers: set[str] = set()
        self.port = 0
        self.position = 0  # of the newest event that it would have
        self.gate = asyncio.Event()  # what "wait" waits for
        self.asked_for_health = 0
        self.tells_health = asyncio.Event()
        self.tells_health.set()
        self.published = b""  # the answer of ListVerificationKeys
        self.asked_for_keys = 0
        self.tells_keys = asyncio.Event()
        self.tells_keys.set()

    async def start(self, port: int = 0) -> None:
        self._server = grpc.aio.server(options=channels.SERVER)
        listing: Any = {
            "List": grpc.unary_unary_rpc_method_handler(
                self._list_health,
                health_pb2.HealthListRequest.FromString,
                health_pb2.HealthListResponse.SerializeToString,
            )
        }
        # Before the real one, which answers whatever happens.
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(health.SERVICE, listing),)
        )
        self.health = health.add(self._server, [service(self.silo)], lambda: self.position)
        await self.health.turn(serving=True)
        guards = (
            errors.guard(self.silo, f"{self.silo}-{self.name}"),
            validation.guard,
        )
        guarded = GuardedServer(self._server, guards)
        # The second version is anybody's.
        for each in (service(self.silo), *(service(silo, "v2") for silo in SILOS)):
            guarded.add_registered_method_handlers(each, self._handlers())
        whole: dict[str, dict[str, Any]] = {
            "SessionService": {"ListVerificationKeys": self._list_keys},
            "TransportRequestService": {"ListTransportRequests": self._list_trips},
        }
        for name, answers in whole.items():
            made: Any = {
                each: grpc.unary_unary_rpc_method_handler(how) for each, how in answers.items()
            }
            theirs = grpc.method_handlers_generic_handler(f"medport.{self.silo}.v1.{name}", made)
            self._server.add_generic_rpc_handlers((theirs,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port or self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def drain(self) -> None:
        """Stop as a silo's process does."""
        await self.health.drain()
        await asyncio.sleep(NOTICE_SECONDS)
        await self.health.close()
        await self._server.stop(GRACE_SECONDS)

    async def obey(self, command: str, context: Any) -> AsyncGenerator[Any, None]:
        self.seen["calls"] += 1
        self.seen[command] += 1
        self.remaining = context.time_remaining()
        self.peers.add(context.peer())
        self.running += 1
        try:
            if command in {"metadata", "early_refuse"}:
                await context.send_initial_metadata((("x-early", "1"), ("x-early-bin", b"\x00")))
                late = (("x-late", "a"), ("x-late", "b"), ("x-late-bin", b"\x01\xfe"))
                context.set_trailing_metadata(late)
            if command == "sleep":
                await asyncio.sleep(20)
            if command == "wait":
                await self.gate.wait()
            await self._fail(command)
            for answer in self._answers(command, context):
                yield Text(text=answer)
            if command == "flood":
                for _ in range(1000):
                    self.seen["flooded"] += 1
                    yield Text(text="x" * 65_536)
            if command in {"refuse", "early_refuse", "late"}:
                raise FailedPrecondition("caf\u00e9 closed", state="PENDING")
        except asyncio.CancelledError:
            self.seen["cancelled"] += 1
            raise
        finally:
            self.running -= 1

    async def _fail(self, command: str) -> None:
        if command == "inner_cancel":
            raise asyncio.CancelledError
        if command == "wrong password":
            raise Unauthenticated("the email or the password is wrong")
        if command == "crash":
            raise ValueError("SECRET: ssn 078-05-1120")
        if command == "unavailable" or (command == "flaky" and self.seen["calls"] < 2):
            raise Unavailable("the database does not answer", silo=self.silo)

    def _answers(self, command: str, context: Any) -> list[str]:
        match command:
            case "seen":
                pairs = [[k, repr(v)] for k, v in context.invocation_metadata()]
                return [json.dumps([context.time_remaining(), pairs])]
            case "late" | "ok":
                return ["one", "two"]
            case "big":
                return ["x" * 3_000_000]
            case "huge":
                return ["x" * 5_000_000]
        return []

    async def _list_keys(self, _request: bytes, _context: Any) -> bytes:
        self.asked_for_keys += 1
        await self.tells_keys.wait()
        return self.published

    async def _list_trips(self, _request: bytes, _context: Any) -> bytes:
        """Tell of one trip, whose id is this silo's name."""
        trip = trips.TransportRequest(id=self.name)
        return trips.ListTransportRequestsResponse(transport_requests=[trip]).SerializeToString()

    async def _list_health(self, request: Any, context: Any) -> Any:
        self.asked_for_health += 1
        await self.tells_health.wait()
        return await self.health.List(request, context)

    async def _one(self, request: Any, context: Any) -> Any:
        async with aclosing(self.obey(request.text, context)) as answers:
            return Text(text=" ".join([answer.text async for answer in answers]))

    async def _many(self, request: Any, context: Any) -> None:  # writer style
        async with aclosing(self.obey(request.text, context)) as answers:
            async for answer in answers:
                await context.write(answer)

    async def _collect(self, requests: Any, context: Any) -> Any:
        first, last = "", ""
        async for request in requests:
            first, last = first or request.text, request.text
            if first == "refuse":  # in the middle of the upload
                break
        if last == "half":
            # The iterator also ends when the client has cancelled; on a cancelled call this
            # await never returns.
            await context.send_initial_metadata(())
            self.seen["believed complete"] += 1
        return await self._one(Text(text=first), context)

    async def _chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # generator style
        async for request in requests:
            async with aclosing(self.obey(request.text, context)) as answers:
                async for answer in answers:
                    yield answer

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        codec = (Text.FromString, Text.SerializeToString)
        unary = grpc.unary_unary_rpc_method_handler(self._one, *codec)
        watch = grpc.unary_stream_rpc_method_handler(self._many, *codec)
        collect = grpc.stream_unary_rpc_method_handler(self._collect, *codec)
        return {
            **dict.fromkeys(("Echo", "Store", *GRANTED), unary),
            **dict.fromkeys(("Watch", "StaffWatch"), watch),
            **dict.fromkeys(("Collect", "StaffCollect"), collect),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat, *codec),
        }
