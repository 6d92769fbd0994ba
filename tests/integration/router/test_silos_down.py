"""One silo is dead, hung or overrun: its callers learn it at once, nobody else notices."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from router.breaker import Breaker, State
from router.policies import LIMITS, TRIPPING
from tests.support.obedient_silo import METHODS, contract, text
from tests.support.routed_mesh import Mesh, begin, observe, router_settings, routing, until_true

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", METHODS)
async def test_a_dead_silo_is_named_within_a_second_and_no_address_is(
    mesh: Mesh, name: str
) -> None:
    await mesh.silos["hospital"].stop()
    for _ in range(10):  # the breaker opens on the way, and the answer stays the same
        begun = time.monotonic()
        seen = await observe(
            mesh.proxied, name, text("ok"), metadata=(("x-request-id", "r7"),), timeout=5
        )
        assert time.monotonic() - begun < 1
        assert (seen.code, seen.reason) == (UNAVAILABLE, "SILO_UNAVAILABLE")
        assert seen.infos[0].domain == "medport.router.v1"
        assert dict(seen.infos[0].metadata) == {"silo": "hospital"}
        assert "127.0.0.1" not in repr(seen)
        assert ("x-request-id", "r7") in seen.trailing
        assert ("grpc-retry-pushback-ms", "-1") in seen.trailing
    assert (await observe(mesh.proxied, name, text("ok"), silo="ems")).code is not UNAVAILABLE


async def test_the_breaker_opens_refuses_at_once_and_closes_when_the_silo_is_back(
    mesh: Mesh,
) -> None:
    silo, breaker = mesh.silos["hospital"], mesh.router.backends["hospital"].breaker
    await silo.stop()
    for _ in range(5):
        await observe(mesh.proxied, "Store", text("ok"))
    assert str(breaker.state) == State.OPEN

    begun = time.monotonic()
    for _ in range(20):
        assert (await observe(mesh.proxied, "Store", text("ok"))).code is UNAVAILABLE
    assert time.monotonic() - begun < 2  # 20 calls

    await silo.start()
    begun = time.monotonic()
    while (await observe(mesh.proxied, "Echo", text("ok"))).code is UNAVAILABLE:
        assert time.monotonic() - begun < 3
    assert breaker.state is State.CLOSED
    assert silo.seen["calls"] == 1  # the probe


async def test_a_silos_own_unavailable_never_counts(mesh: Mesh) -> None:
    for _ in range(30):
        seen = await observe(mesh.proxied, "Store", text("unavailable"))
        assert (seen.code, seen.reason) == (UNAVAILABLE, "SILO_UNAVAILABLE")
        assert seen.infos[0].domain == "medport.common.v1"
    assert mesh.router.backends["hospital"].breaker.state is State.CLOSED


async def test_an_overrun_silo_refuses_the_rest_and_leaves_the_others_alone(mesh: Mesh) -> None:
    silo, most = mesh.silos["ems"], LIMITS.unary
    # Where it takes a second to begin so many, the breaker would open, and be what refuses.
    mesh.router.backends["ems"].breaker = Breaker(replace(TRIPPING, slow_s=60))
    channels = (mesh.proxied, mesh.proxied_too)  # 100 calls are the most of one connection
    calls = [
        begin(channels[number % 2], "Store", text("wait"), silo="ems", timeout=20)
        for number in range(most)
    ]
    await until_true(lambda: silo.running == most)

    refused = await observe(mesh.proxied, "Store", text("ok"), silo="ems")
    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SILO_BUSY")
    others = await asyncio.gather(*(observe(mesh.proxied, "Store", text("ok")) for _ in range(50)))
    assert {(each.code, each.text) for each in others} == {(grpc.StatusCode.OK, "")}
    streamed = await observe(mesh.proxied, "Watch", text("ok"), silo="ems")
    assert streamed.code is grpc.StatusCode.OK  # streams are counted apart

    silo.gate.set()
    for call in calls:
        await call
    assert (await observe(mesh.proxied, "Store", text("ok"), silo="ems")).code is (
        grpc.StatusCode.OK
    )


async def test_a_silo_that_hangs_is_broken_although_it_gives_no_error(mesh: Mesh) -> None:
    silo = mesh.silos["ems"]
    calls = [  # as few as it needs: where it takes a second to begin more, these would be refused
        begin(mesh.proxied, "Store", text("wait"), silo="ems", timeout=20)
        for _ in range(TRIPPING.slow_calls)
    ]
    await until_true(lambda: silo.running == len(calls))
    breaker = mesh.router.backends["ems"].breaker

    async with asyncio.timeout(15):
        while breaker.state is State.CLOSED:
            await observe(mesh.proxied, "Store", text("ok"), silo="ems")
    begun = time.monotonic()
    assert (await observe(mesh.proxied, "Store", text("ok"), silo="ems")).code is UNAVAILABLE
    assert time.monotonic() - begun < 1  # of the 5 s that it would wait

    silo.gate.set()
    for call in calls:
        await call


async def test_streams_do_not_crowd_out_calls(mesh: Mesh) -> None:
    silo, channels = mesh.silos["ems"], (mesh.proxied, mesh.proxied_too)
    streams = [
        begin(channels[number % 2], "Watch", text("wait"), silo="ems") for number in range(150)
    ]
    await until_true(lambda: silo.running == len(streams))

    seen = await observe(mesh.proxied, "Store", text("ok"), silo="ems", timeout=2)

    assert seen.code is grpc.StatusCode.OK
    for stream in streams:
        stream.cancel()
    await until_true(lambda: silo.running == 0)


async def test_a_silent_stream_that_tries_a_silo_keeps_nobody_waiting(mesh: Mesh) -> None:
    mesh.router.backends["hospital"].breaker.trip()
    async with asyncio.timeout(5):
        while (await observe(mesh.proxied, "Watch", text("wait"), timeout=1)).code is UNAVAILABLE:
            pass

    assert (await observe(mesh.proxied, "Echo", text("ok"))).code is grpc.StatusCode.OK
    assert (await observe(mesh.proxied, "Watch", text("ok"))).code is grpc.StatusCode.OK


async def test_a_stream_that_speaks_shows_that_its_silo_is_well(mesh: Mesh) -> None:
    breaker = mesh.router.backends["hospital"].breaker
    breaker.trip()
    breaker.revived()  # the next call tries
    stream = begin(mesh.proxied, "Watch", text("flood"))
    assert await stream.read() is not grpc.aio.EOF
    assert breaker.state is State.CLOSED
    stream.cancel()


async def test_a_silo_that_was_never_up_does_not_keep_the_router_from_serving(
    tmp_path: Path,
) -> None:
    nobody = dict.fromkeys(("hospital", "ems"), "127.0.0.1:1")
    async with routing(router_settings(nobody, tmp_path), contract()) as (_, channel):
        seen = await observe(channel, "Echo", text("ok"))
        assert (seen.code, seen.reason) == (UNAVAILABLE, "SILO_UNAVAILABLE")
