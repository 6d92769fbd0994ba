"""Routers and a silo's replicas are restarted in turn under load, and no unary call fails.

The client retries nothing, and half of its calls are of a kind that the router does not repeat.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import pytest

from chassis import channels
from chassis.settings import RouterSettings
from router.policies import BALANCING
from router.server import Router
from tests.support.obedient_silo import ObedientSilo, contract, text
from tests.support.profiles import LONG, count
from tests.support.routed_mesh import ANY_NUMBER, observe, router_settings, until_true

ROUNDS = count(5, 20)  # of four restarts each
PAUSE_SECONDS = 2.0 if LONG else 0.3  # between a router's NOT_SERVING and its last new call
CALLERS = 6
pytestmark = pytest.mark.timeout(600)


@dataclass
class Fleet:
    """Two routers before two replicas; a client who goes to whichever router serves."""

    settings: list[RouterSettings]
    routers: list[Router]
    replicas: list[ObedientSilo]
    codes: Counter[str] = field(default_factory=Counter)

    async def restart_router(self, number: int) -> None:
        await self.routers[number].stop(PAUSE_SECONDS, 15)
        again = Router(self.settings[number], contract(), ANY_NUMBER)
        await again.start()
        self.routers[number] = again
        # It is called again before another one goes, as whoever rolls out waits for it.
        await until_true(lambda: again.backends["hospital"].bulkhead.calls > 0)

    async def restart_replica(self, number: int) -> None:
        replica = self.replicas[number]
        await replica.drain()
        replica.peers.clear()
        await replica.start()
        await until_true(lambda: len(replica.peers) == 8)  # four channels of each router

    async def call(self, done: asyncio.Event) -> None:
        to = channels.target([f"127.0.0.1:{each.port}" for each in self.routers])
        options = (
            *channels.HOP,
            ("grpc.enable_retries", 0),
            ("grpc.service_config", json.dumps(BALANCING)),
        )
        async with grpc.aio.insecure_channel(to, options=options) as channel:
            while not done.is_set():
                for name in ("Echo", "Store"):
                    seen = await observe(channel, name, text("ok"), timeout=10)
                    self.codes[f"{name} {seen.code.name} {seen.reason}".strip()] += 1

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        done = asyncio.Event()
        callers = [asyncio.create_task(self.call(done)) for _ in range(CALLERS)]
        await until_true(lambda: self.codes.total() > 50)
        try:
            yield
        finally:
            done.set()
            await asyncio.gather(*callers)


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    replicas = [ObedientSilo("hospital", str(number)) for number in range(2)]
    for each in replicas:
        await each.start()
    addresses = tuple(f"127.0.0.1:{each.port}" for each in replicas)
    given = router_settings({"hospital": addresses}, tmp_path)
    routers = [Router(given, contract(), ANY_NUMBER) for _ in range(2)]
    for router in routers:
        await router.start()
    settings = [replace(given, listen=f"127.0.0.1:{router.port}") for router in routers]
    running = Fleet(settings, routers, replicas)
    yield running
    for router in running.routers:
        await router.stop(0, 0)
    for each in replicas:
        await each.stop()


async def test_no_unary_call_fails_while_everything_is_restarted_in_turn(fleet: Fleet) -> None:
    async with fleet.under_load():
        for _ in range(ROUNDS):
            for number in range(2):
                await fleet.restart_router(number)
                await fleet.restart_replica(number)
    print(f"{fleet.codes.total()} calls, {4 * ROUNDS} restarts")  # noqa: T201 - the figure
    assert set(fleet.codes) == {"Echo OK", "Store OK"}
