"""A service of all four kinds beside a real silo's own: its calls do what the test tells them to.

The hospital's process serves it behind the chassis' guards. What a handler does is a script of the
test, found by the call's ``x-scene`` metadata; what it saw is kept for comparison.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from medport.common.v1 import access_pb2

from chassis import reflection
from chassis.interceptors.errors import DETAILS, SERVED_BY
from chassis.server import Build, Kit, Silo
from tests.support.silos import build

SERVICE = "medport.hospital.v1.PuppetService"
KINDS = {  # name -> (reads a stream, writes a stream)
    "Answer": (False, False),
    "Stream": (False, True),
    "Collect": (True, False),
    "Converse": (True, True),
}
ROLE = "EMS_DISPATCHER"  # of whoever may pull the strings
SCENE = "x-scene"
Pairs = Sequence[tuple[str, str | bytes]]


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="medport/hospital/v1/puppet.proto",
        package="medport.hospital.v1",
        syntax="proto3",
        dependency=["medport/common/v1/access.proto"],
    )
    body = file.message_type.add(name="PuppetFrame").field.add(name="body", number=1)
    body.type, body.label = body.TYPE_BYTES, body.LABEL_OPTIONAL
    service = file.service.add(name="PuppetService")
    for name, (reads, writes) in KINDS.items():
        frame = ".medport.hospital.v1.PuppetFrame"
        rpc = service.method.add(name=name, input_type=frame, output_type=frame)
        rpc.client_streaming, rpc.server_streaming = reads, writes
        # Nothing is tried again: a script is played once per call.
        rpc.options.idempotency_level = MethodOptions.IDEMPOTENCY_UNKNOWN
        grant = rpc.options.Extensions[access_pb2.access].grants.add()
        grant.roles.append(access_pb2.Role.Value(f"ROLE_{ROLE}"))
        grant.scope = access_pb2.SCOPE_OWN_TENANT
    return file


_pool = descriptor_pool.Default()
_pool.AddSerializedFile(_file().SerializeToString())
Frame: Any = message_factory.GetMessageClass(
    _pool.FindMessageTypeByName("medport.hospital.v1.PuppetFrame")
)


def contract() -> FileDescriptorSet:
    """Return what the router is told."""
    return reflection.describing([SERVICE])


def frame(body: bytes) -> bytes:
    return bytes(Frame(body=body).SerializeToString())


@dataclass
class Scene:
    """One call as the silo's handler has it, and what is left of it afterwards."""

    heard: list[bytes] = field(default_factory=list)
    told: Pairs = ()
    seconds: float | None = None  # what the caller allows
    left: str = ""  # how the handler ended
    written: int = 0
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # for scripts that wait to be let on
    context: Any = None
    requests: AsyncIterator[Any] = field(init=False)
    answer: bytes = b""  # of a kind with one answer
    streams: bool = False

    async def hear(self) -> bytes | None:
        """Return the next request's body; None at their end."""
        async for request in self.requests:
            self.heard.append(request.body)
            return bytes(request.body)
        return None

    async def hear_all(self) -> list[bytes]:
        while await self.hear() is not None:
            pass
        return self.heard

    async def say(self, body: bytes) -> None:
        self.written += 1
        if self.streams:
            await self.context.write(Frame(body=body))
        else:
            self.answer = body

    async def end(
        self,
        code: grpc.StatusCode,
        text: str = "",
        details: Sequence[Message] = (),
        trailers: Pairs = (),
    ) -> None:
        """End with exactly this, stamped as everything is that a silo says itself."""
        stamps: list[tuple[str, str | bytes]] = [(SERVED_BY, "hospital/puppet"), *trailers]
        if details:
            status = Status(code=code.value[0], message=text)
            for detail in details:
                status.details.add().Pack(detail)
            stamps.append((DETAILS, status.SerializeToString()))
        await self.context.abort(code, text, tuple(stamps))


Script = Callable[[Scene], Awaitable[None]]


class Puppet:
    """Its strings: ``scenes`` and the scripts to play in them, by the value of ``x-scene``."""

    def __init__(self) -> None:
        self.scenes: dict[str, tuple[Scene, Script]] = {}

    def build(self) -> Build:
        """Make the hospital's build with this service in the place of its own."""
        real = build("hospital")

        def compose(kit: Kit) -> Silo:
            composed = real.compose(kit)
            return replace(composed, add_to=[self._add_to], timers=(), parts=())

        return replace(real, compose=compose)

    def _add_to(self, server: Any) -> None:
        codec = (Frame.FromString, Frame.SerializeToString)
        make: dict[str, Any] = {
            "Answer": grpc.unary_unary_rpc_method_handler(self._one, *codec),
            "Stream": grpc.unary_stream_rpc_method_handler(self._many, *codec),
            "Collect": grpc.stream_unary_rpc_method_handler(self._one, *codec),
            "Converse": grpc.stream_stream_rpc_method_handler(self._many, *codec),
        }
        server.add_registered_method_handlers(SERVICE, make)

    async def _one(self, request: Any, context: Any) -> Any:
        scene = await self._play(request, context, streams=False)
        return Frame(body=scene.answer)

    async def _many(self, request: Any, context: Any) -> None:
        await self._play(request, context, streams=True)

    async def _play(self, request: Any, context: Any, *, streams: bool) -> Scene:
        metadata = tuple(context.invocation_metadata() or ())
        scene, script = self.scenes[str(dict(metadata)[SCENE])]
        scene.told, scene.seconds = metadata, context.time_remaining()
        scene.context, scene.streams = context, streams
        scene.requests = request if hasattr(request, "__aiter__") else _alone(request)
        scene.entered.set()
        try:
            await script(scene)
        except (asyncio.CancelledError, grpc.aio.InternalError):
            scene.left = "cancelled"  # the second is how a write tells that its reader has left
            raise
        except grpc.aio.AbortError:
            scene.left = "ended by itself"
            raise
        except Exception:
            scene.left = "raised"
            raise
        else:
            scene.left = "returned"
        finally:
            scene.ended.set()
        return scene


async def _alone(request: Any) -> AsyncIterator[Any]:
    yield request
