"""Two obedient silos and the router in front of them, in this process, on free ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from chassis import channels
from chassis.rates import Rate
from chassis.settings import RouterSettings
from router.policies import Allowances
from router.server import Router
from router.uploads import send_all
from tests.support.obedient_silo import ALL, SILOS, ObedientSilo, contract, service


def router_settings(
    silos: Mapping[str, str | tuple[str, ...]], cache: Path, reflection: str = "open"
) -> RouterSettings:
    addresses = {name: (at,) if isinstance(at, str) else at for name, at in silos.items()}
    return RouterSettings(
        listen="127.0.0.1:0",
        silos=addresses,
        descriptors=Path(),
        key_cache=cache,
        reflection=reflection,
        log_level="WARNING",
    )


GENEROUS = Rate(per_second=1e6, burst=1_000_000)
ANY_NUMBER = Allowances(principal=GENEROUS, address=GENEROUS, wrong_login=GENEROUS)


@asynccontextmanager
async def routing(
    settings: RouterSettings,
    descriptors: FileDescriptorSet,
    allowances: Allowances = ANY_NUMBER,
) -> AsyncIterator[tuple[Router, grpc.aio.Channel]]:
    """Run a router, and yield it with a channel to it; every test is at one address, and hasty."""
    router = Router(settings, descriptors, allowances)
    await router.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{router.port}") as channel:
            yield router, channel
    finally:
        await router.stop(0, 0)


@dataclass
class Mesh:
    router: Router
    silos: dict[str, ObedientSilo]
    proxied: grpc.aio.Channel
    proxied_too: grpc.aio.Channel  # another connection, with our own options
    direct: grpc.aio.Channel


@asynccontextmanager
async def routed_mesh(cache: Path) -> AsyncIterator[Mesh]:
    silos = {name: ObedientSilo(name) for name in SILOS}
    for silo in silos.values():
        await silo.start()
    addresses = {name: f"127.0.0.1:{silo.port}" for name, silo in silos.items()}
    async with (
        routing(router_settings(addresses, cache), contract()) as (router, proxied),
        channels.channel(f"127.0.0.1:{router.port}") as proxied_too,
        channels.channel(addresses["hospital"]) as direct,
    ):
        yield Mesh(router, silos, proxied, proxied_too, direct)
    for silo in silos.values():
        await silo.stop()


@dataclass
class Observed:
    """Everything a client can see of one call."""

    messages: list[bytes] = field(default_factory=list)
    initial: Any = ()
    trailing: Any = ()
    code: Any = None
    text: str | None = None

    @property
    def infos(self) -> list[error_details_pb2.ErrorInfo]:
        raw = dict(self.trailing).get("grpc-status-details-bin", b"")
        details = status_pb2.Status.FromString(raw).details
        infos = [each for each in details if each.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
        return [error_details_pb2.ErrorInfo.FromString(each.value) for each in infos]

    @property
    def reason(self) -> str:
        return self.infos[0].reason if self.infos else ""


def begin(
    channel: grpc.aio.Channel, name: str, *messages: bytes, silo: str = "hospital", **options: Any
) -> Any:
    """Begin a call of bytes, whatever its arity."""

    async def body() -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    reads, writes, _ = ALL.get(name, (False, False, 0))
    shape = f"{'stream' if reads else 'unary'}_{'stream' if writes else 'unary'}"
    start = getattr(channel, shape)(f"/{service(silo)}/{name}")
    if not reads:
        return start(messages[0], **options)
    call = start(**options)
    call.upload = asyncio.create_task(send_all(body(), call))
    return call


async def observe(
    channel: grpc.aio.Channel, name: str, *messages: bytes, **options: Any
) -> Observed:
    """Make a call to its end; never raises for its status."""
    call, seen = begin(channel, name, *messages, **options), Observed()
    with suppress(grpc.aio.AioRpcError):
        if ALL.get(name, (False, False))[1]:
            while (message := await call.read()) is not grpc.aio.EOF:
                seen.messages.append(message)
        else:
            seen.messages.append(await call)
    seen.initial = tuple(await call.initial_metadata() or ())
    seen.trailing = sorted(await call.trailing_metadata() or (), key=repr)
    seen.code, seen.text = await call.code(), await call.details()
    return seen


async def until_true(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Return once ``condition`` holds; raises TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is another task's state
            await asyncio.sleep(0.005)
