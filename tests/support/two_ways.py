"""Two ways to one silo, straight and through a router's process, and what a call was like on each.

``play`` makes one call, both ends of it scripted, and returns everything either end could tell, as
one value: the two ways are right when their values are equal but for what ``ALLOWED`` names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
from google.rpc.status_pb2 import Status

from chassis.interceptors.errors import DETAILS, REQUEST_ID
from chassis.minting import SigningKey
from mesh.postgres import free_port
from tests.support.colleagues import a_key, a_user, bearing, introduce
from tests.support.puppet_silo import (
    KINDS,
    ROLE,
    SCENE,
    SERVICE,
    Pairs,
    Puppet,
    Scene,
    Script,
    contract,
)
from tests.support.puppet_silo import frame as framed
from tests.support.silo_processes import START_SECONDS, Victim
from tests.support.silos import NOWHERE, Keys, running
from tests.support.waiting import until

PATIENCE_SECONDS = 20.0

# Metadata in which the two ways may differ, and why. Everything else must be equal, in its order:
# of the values under one name, that is. Names are put together by grpc.aio itself, at a client's
# end as at the router's, and gRPC promises no order among them.
ALLOWED = {
    "user-agent": "it names whoever opened the connection: a client, or the router",
    "x-forwarded-for": "the address that only the router can know",
    REQUEST_ID: "checked by the router, hence behind the rest; its value is compared apart",
    "grpc-retry-pushback-ms": "the router repeated what may be, so its clients must not",
    "traceparent": "the router's own span stands between; the trace is compared apart",
}
TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass(frozen=True)
class Outcome:
    """Everything that can be told of a call, at both of its ends."""

    code: grpc.StatusCode
    text: str | None
    messages: tuple[bytes, ...]
    initial: tuple[tuple[str, str | bytes], ...]
    trailing: tuple[tuple[str, str | bytes], ...]  # grpc-status-details-bin among them
    heard: tuple[bytes, ...]
    told: tuple[tuple[str, str | bytes], ...]
    request_ids: tuple[str | bytes, ...]
    traces: tuple[str, ...]
    left: str

    def in_no_words(self) -> Outcome:
        return replace(self, text=None, trailing=())

    @property
    def details(self) -> Status:
        """Return the status with what goes with it, empty for one without details."""
        raw = [value for key, value in self.trailing if key == DETAILS and isinstance(value, bytes)]
        return Status.FromString(b"".join(raw))


@dataclass
class Caller:
    """A client's end of one call, of whichever kind."""

    call: Any
    kind: str
    scene: Scene
    said: Sequence[bytes]  # each as its bytes go over the wire
    messages: list[bytes] = field(default_factory=list)

    async def say(self, request: bytes) -> bool:
        """Send a request; False once the call is over. See ``router.uploads`` for the way."""
        with suppress(grpc.aio.InternalError, grpc.aio.AioRpcError, asyncio.CancelledError):
            await self.call.wait_for_connection()
            await self.call._cython_call.send_serialized_message(request)
            return True
        return False

    async def hang_up(self) -> None:
        with suppress(grpc.aio.InternalError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self.call.done_writing()

    async def hear(self) -> bytes | None:
        """Return the next answer, as its bytes came; None at their end."""
        if (message := await self.call.read()) is grpc.aio.EOF:
            return None
        self.messages.append(message)
        return bytes(message)

    async def hear_all(self) -> None:
        if not KINDS[self.kind][1]:
            self.messages.append(await self.call)
            return
        while await self.hear() is not None:
            pass


Ask = Callable[[Caller], Awaitable[None]]


async def everything(caller: Caller) -> None:
    """Send what there is to say, half-close, read to the end."""
    if KINDS[caller.kind][0]:
        for request in caller.said:
            await caller.say(request)
        await caller.hang_up()
    await caller.hear_all()


@dataclass(frozen=True)
class Scenario:
    """A call, by what its ends do; ``raw`` are requests of bytes that are no message."""

    kind: str
    serve: Script
    ask: Ask = everything
    said: Sequence[bytes] = (b"",)
    metadata: Pairs = ()
    timeout: float | None = PATIENCE_SECONDS
    raw: Sequence[bytes] = ()
    compression: grpc.Compression | None = None
    reaches: bool = True  # its handler
    name: str = "now"  # another one for a call beside a call
    patience: float = PATIENCE_SECONDS  # beyond the deadline, for both ends to end

    @property
    def requests(self) -> Sequence[bytes]:
        return self.raw or [framed(each) for each in self.said]


@dataclass
class Ways:
    """The same silo, twice."""

    puppet: Puppet
    direct: grpc.aio.Channel
    proxied: grpc.aio.Channel
    router: Victim
    key: SigningKey

    async def both(self, scenario: Scenario) -> tuple[Outcome, Outcome]:
        """Return what ``scenario`` was like on the straight way, and through the router."""
        # Somebody else each time: nobody may call as often as these tests do.
        token = bearing(self.key, a_user("ems", ROLE), "hospital")
        known = replace(scenario, metadata=(*scenario.metadata, *token))
        direct = await play(self.puppet, self.direct, known)
        return direct, await play(self.puppet, self.proxied, known)

    async def same(self, scenario: Scenario) -> Outcome:
        """Return what it was like on both."""
        direct, proxied = await self.both(scenario)
        assert proxied == direct
        return proxied

    async def alike(self, scenario: Scenario) -> Outcome:
        """Return what it was like on both, but for its words.

        For deadlines: the first clock to strike speaks, the client's, the router's or the silo's.
        """
        direct, proxied = await self.both(scenario)
        assert proxied.in_no_words() == direct.in_no_words()
        return proxied


@asynccontextmanager
async def two_ways(dsn: str, folder: Path) -> AsyncIterator[Ways]:
    """Run the puppet's silo here, and a router before it as the program that it is."""
    puppet, key = Puppet(), a_key("ems")
    introduce(key, dsn, folder)
    async with running("hospital", dsn, Keys(), built=puppet.build()) as (silo, _):
        router = a_router(silo.port, free_port(), folder)
        router.start()
        try:
            async with (
                _channel(silo.port) as direct,
                _channel(router.port) as proxied,
            ):
                ways = Ways(puppet, direct, proxied, router, key)
                await until(lambda: _answers(ways), START_SECONDS)
                yield ways
        finally:
            router.kill()  # how it leaves is another proof's, and takes two seconds


def _channel(port: int) -> grpc.aio.Channel:
    """Open a stranger's channel, but for its window, which stays small: who rests, rests soon."""
    options = (("grpc.http2.bdp_probe", 0),)
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)


class _Router(Victim):
    def __init__(self, port: int, told: dict[str, str], log: Path) -> None:
        super().__init__("router", told, log, "serve")
        self.port = port


def a_router(silo: int, port: int, folder: Path, metrics: str = "off") -> _Router:
    described = folder / "contract.binpb"
    described.write_bytes(contract().SerializeToString())
    told = {
        "MEDPORT_LISTEN": f"127.0.0.1:{port}",
        "MEDPORT_SILOS": f"hospital=127.0.0.1:{silo},ems={NOWHERE},center={NOWHERE}",
        "MEDPORT_DESCRIPTORS": str(described),
        "MEDPORT_KEY_CACHE": str(folder),
        "MEDPORT_LOG_LEVEL": "WARNING",
        "MEDPORT_METRICS_LISTEN": metrics,
    }
    return _Router(port, told, folder / "router.log")


async def _answers(ways: Ways) -> bool:
    """Tell whether the silo can be reached both ways."""

    async def nothing(scene: Scene) -> None:
        await scene.hear_all()

    assert not ways.router.has_ended, ways.router.said
    outcomes = await ways.both(Scenario("Answer", nothing, reaches=False, timeout=1))
    return all(each.code is grpc.StatusCode.OK for each in outcomes)


async def play(puppet: Puppet, channel: grpc.aio.Channel, scenario: Scenario) -> Outcome:
    """Make one call to its end at both ends; never raises for its status."""
    scene = Scene()
    puppet.scenes[scenario.name] = (scene, scenario.serve)
    caller = _begin(channel, scenario, scene)
    async with asyncio.timeout((scenario.timeout or 0) + scenario.patience):
        with suppress(grpc.aio.AioRpcError):
            try:
                await scenario.ask(caller)
            except asyncio.CancelledError:  # of the call, by the script; of ourselves otherwise
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
        code = await caller.call.code()
        if scenario.reaches or scene.entered.is_set():
            await scene.ended.wait()
    return Outcome(
        code=code,
        text=await caller.call.details(),
        messages=tuple(caller.messages),
        initial=_comparable(await caller.call.initial_metadata()),
        trailing=_comparable(await caller.call.trailing_metadata()),
        heard=tuple(scene.heard),
        told=_comparable(scene.told),
        request_ids=tuple(value for key, value in scene.told if key == REQUEST_ID),
        traces=tuple(str(value)[3:35] for key, value in scene.told if key == "traceparent"),
        left=scene.left,
    )


def _begin(channel: grpc.aio.Channel, scenario: Scenario, scene: Scene) -> Caller:
    reads, writes = KINDS[scenario.kind]
    shape = f"{'stream' if reads else 'unary'}_{'stream' if writes else 'unary'}"
    start: Any = getattr(channel, shape)(f"/{SERVICE}/{scenario.kind}")
    call = start(
        *(() if reads else ((*scenario.requests, b"")[0],)),
        metadata=(
            *scenario.metadata,
            (SCENE, scenario.name),
            (REQUEST_ID, "puppet-1"),
            ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),
        ),
        timeout=scenario.timeout,
        compression=scenario.compression,
    )
    return Caller(call, scenario.kind, scene, scenario.requests)


def _comparable(metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((key, value) for key, value in metadata or () if key not in ALLOWED)
