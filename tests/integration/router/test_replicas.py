"""Several replicas of a silo: calls go to those that serve; a lost one costs nobody anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from router.server import Router
from tests.support.fault_proxy import FaultProxy
from tests.support.obedient_silo import ObedientSilo, contract, text
from tests.support.routed_mesh import begin, observe, router_settings, routing, until_true

OK, UNAVAILABLE = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE


@dataclass
class Pair:
    router: Router
    channel: grpc.aio.Channel
    replicas: tuple[ObedientSilo, ObedientSilo]
    wire: FaultProxy  # between the router and the first

    async def until_only_the_second_is_called(self) -> None:
        """Return once a whole round over every channel has left the first one alone."""
        first, calls = self.replicas[0], -1
        async with asyncio.timeout(15):
            while calls != first.seen["calls"]:
                calls = first.seen["calls"]
                for _ in range(8):
                    await observe(self.channel, "Echo", text("ok"))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    replicas = ObedientSilo("hospital", "1"), ObedientSilo("hospital", "2")
    for each in replicas:
        await each.start()
    wire = FaultProxy("127.0.0.1", replicas[0].port)
    await wire.open()
    addresses = tuple(f"127.0.0.1:{port}" for port in (wire.listening, replicas[1].port))
    settings = router_settings({"hospital": addresses}, tmp_path)
    async with routing(settings, contract()) as (router, channel):
        await until_true(lambda: router.monitors["hospital"].seen.serving_replicas == 2)
        async with asyncio.timeout(5):
            while not all(each.seen["calls"] for each in replicas):
                await observe(channel, "Echo", text("ok"))
        yield Pair(router, channel, replicas, wire)
    await wire.cut()
    for each in replicas:
        await each.stop()


async def test_calls_are_spread_over_the_replicas(pair: Pair) -> None:
    before = [each.seen["calls"] for each in pair.replicas]
    for _ in range(80):
        assert (await observe(pair.channel, "Echo", text("ok"))).code is OK
    now = [each.seen["calls"] for each in pair.replicas]
    assert all(after - earlier >= 30 for after, earlier in zip(now, before, strict=True))


async def test_a_replica_that_does_not_serve_gets_no_call(pair: Pair) -> None:
    first, second = pair.replicas
    await first.health.turn(serving=False)
    await pair.until_only_the_second_is_called()
    first.seen.clear()

    for name in ("Echo", "Store", "Watch"):
        for _ in range(40):
            assert (await observe(pair.channel, name, text("ok"))).code is OK

    assert first.seen["calls"] == 0
    await until_true(lambda: pair.router.monitors["hospital"].seen.serving_replicas == 1)
    await first.health.turn(serving=True)
    async with asyncio.timeout(5):
        while not first.seen["calls"]:
            assert (await observe(pair.channel, "Echo", text("ok"))).code is OK
    assert second.seen["calls"] >= 120


async def test_without_any_that_serves_the_silo_is_said_to_be_away(pair: Pair) -> None:
    for each in pair.replicas:
        await each.health.turn(serving=False)
    async with asyncio.timeout(5):
        while (seen := await observe(pair.channel, "Store", text("ok"))).code is OK:
            pass
    assert (seen.code, seen.reason) == (UNAVAILABLE, "SILO_UNAVAILABLE")
    assert "127.0.0.1" not in repr(seen)

    await pair.replicas[1].health.turn(serving=True)
    begun = time.monotonic()
    while (await observe(pair.channel, "Store", text("ok"))).code is not OK:
        assert time.monotonic() - begun < 3


async def test_a_lost_replica_fails_no_read(pair: Pair) -> None:
    done, codes = asyncio.Event(), list[grpc.StatusCode]()

    async def read() -> None:
        while not done.is_set():
            codes.append((await observe(pair.channel, "Echo", text("ok"))).code)

    readers = [asyncio.create_task(read()) for _ in range(8)]
    await until_true(lambda: len(codes) >= 100)
    await pair.wire.cut()
    lost_at = len(codes)
    await until_true(lambda: len(codes) >= lost_at + 300)
    done.set()
    await asyncio.gather(*readers)

    assert set(codes) == {OK}


async def test_only_what_is_harmless_to_repeat_moves_to_another_replica(pair: Pair) -> None:
    first, second = pair.replicas
    calls = {
        name: [begin(pair.channel, name, text("wait")) for _ in range(8)]
        for name in ("Echo", "Store")
    }
    await until_true(lambda: first.running + second.running == 16)
    executed = first.seen["calls"] + second.seen["calls"]
    moved = first.running

    await pair.wire.cut()
    await until_true(lambda: second.running + first.seen["cancelled"] >= moved)
    second.gate.set()
    ended = {
        name: await asyncio.gather(*each, return_exceptions=True) for name, each in calls.items()
    }

    assert not [each for each in ended["Echo"] if isinstance(each, BaseException)]
    lost = [each for each in ended["Store"] if isinstance(each, grpc.aio.AioRpcError)]
    assert {each.code() for each in lost} == {UNAVAILABLE}
    repeated = first.seen["calls"] + second.seen["calls"] - executed
    assert repeated == moved - len(lost)  # each read that the lost one had, and no write


async def test_a_hung_replica_is_left_alone_within_seconds(pair: Pair) -> None:
    pair.wire.stall()  # pings find that, which takes 7 s
    begun = time.monotonic()
    await pair.until_only_the_second_is_called()
    assert time.monotonic() - begun < 12
    pair.wire.flow()
