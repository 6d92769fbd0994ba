"""A silo that hangs without an error, as SIGSTOP or a dead switch leaves it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from router.breaker import State
from router.server import Router
from tests.support.fault_proxy import FaultProxy
from tests.support.obedient_silo import ObedientSilo, contract, text
from tests.support.routed_mesh import (
    begin,
    observe,
    routed_mesh,
    router_settings,
    routing,
    until_true,
)


@dataclass
class Stallable:
    router: Router
    channel: grpc.aio.Channel
    wire: FaultProxy  # between the router and EMS


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Stallable]:
    hospital, ems = ObedientSilo("hospital"), ObedientSilo("ems")
    await hospital.start()
    await ems.start()
    wire = FaultProxy("127.0.0.1", ems.port)
    await wire.open()
    addresses = {
        "hospital": f"127.0.0.1:{hospital.port}",
        "ems": f"127.0.0.1:{wire.listening}",
    }
    async with routing(router_settings(addresses, tmp_path), contract()) as (router, channel):
        await until_true(lambda: all(each.seen.serving for each in router.monitors.values()))
        yield Stallable(router, channel, wire)
    await wire.cut()
    await ems.stop()
    await hospital.stop()


async def test_the_others_do_not_notice(mesh: Stallable) -> None:
    assert (await observe(mesh.channel, "Echo", text("ok"), silo="ems")).code is (
        grpc.StatusCode.OK
    )
    mesh.wire.stall()
    hanging = [begin(mesh.channel, "Store", text("ok"), silo="ems") for _ in range(60)]
    for _ in range(100):
        # Where they queued behind it, they would wait for as long as it is given.
        seen = await observe(mesh.channel, "Store", text("ok"), timeout=1.5)
        assert seen.code is grpc.StatusCode.OK
    mesh.wire.flow()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_its_callers_are_told_in_time_then_at_once_and_are_served_again(
    mesh: Stallable,
) -> None:
    mesh.wire.stall()
    begun = time.monotonic()
    write = begin(mesh.channel, "Store", text("ok"), silo="ems", timeout=20)
    first = await observe(mesh.channel, "Echo", text("ok"), silo="ems")
    assert first.reason in {"SILO_TIMEOUT", "SILO_UNAVAILABLE"}
    assert time.monotonic() - begun < 4  # a read's own deadline is 2 s, any other's 5

    # Nobody else calls, and still it is found out: two probes of its health were not answered.
    with pytest.raises(grpc.aio.AioRpcError) as given_up:
        await write
    assert given_up.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - begun < 10  # long before its deadline
    assert mesh.router.backends["ems"].breaker.state is State.OPEN
    begun = time.monotonic()
    refused = await observe(mesh.channel, "Store", text("ok"), silo="ems")
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE")
    assert time.monotonic() - begun < 1  # of the 5 s that it would wait
    assert not mesh.router.monitors["ems"].seen.reachable

    mesh.wire.flow()
    begun = time.monotonic()
    while (await observe(mesh.channel, "Echo", text("ok"), silo="ems")).code is not (
        grpc.StatusCode.OK
    ):
        assert time.monotonic() - begun < 3


async def test_a_busy_silo_is_not_given_up_while_it_answers_calls(tmp_path: Path) -> None:
    async with routed_mesh(tmp_path) as mesh:
        silo, breaker = mesh.silos["ems"], mesh.router.backends["ems"].breaker
        slow = begin(mesh.proxied, "Store", text("wait"), silo="ems", timeout=20)
        silo.tells_health.clear()
        told = silo.asked_for_health
        while silo.asked_for_health < told + 4:  # three of them were not answered
            seen = await observe(mesh.proxied, "Echo", text("ok"), silo="ems")
            assert seen.code is grpc.StatusCode.OK
        silo.gate.set()
        await slow

        await until_true(lambda: breaker.state is State.OPEN)  # nobody calls, and it is silent


async def test_a_reset_wire_fails_streams_with_the_silos_name(mesh: Stallable) -> None:
    stream = asyncio.create_task(observe(mesh.channel, "Watch", text("wait"), silo="ems"))
    await until_true(lambda: mesh.router.backends["ems"].bulkhead.streams == 1)
    await observe(mesh.channel, "Echo", text("ok"), silo="ems")  # the stream is on its way, too

    await mesh.wire.cut()

    seen = await stream
    assert (seen.code, seen.reason) == (grpc.StatusCode.UNAVAILABLE, "SILO_UNAVAILABLE")
    assert "127.0.0.1" not in repr(seen)
    await mesh.wire.open()
    begun = time.monotonic()
    while (await observe(mesh.channel, "Echo", text("ok"), silo="ems")).code is not (
        grpc.StatusCode.OK
    ):
        assert time.monotonic() - begun < 3


async def test_no_call_to_the_others_fails_whatever_befalls_one(mesh: Stallable) -> None:
    over, answers, away = asyncio.Event(), Counter[grpc.StatusCode](), 0

    async def call_the_others() -> None:
        while not over.is_set():
            for name in ("Store", "Echo", "Watch"):
                answers[(await observe(mesh.channel, name, text("ok"))).code] += 1

    async def call_it() -> None:
        nonlocal away
        while not over.is_set():
            seen = await observe(mesh.channel, "Store", text("ok"), silo="ems")
            away += seen.code is not grpc.StatusCode.OK

    callers = [asyncio.create_task(each()) for each in (call_the_others, call_it) * 2]
    for fault in (mesh.wire.cut, mesh.wire.open, mesh.wire.reset, mesh.wire.cut, mesh.wire.open):
        before = answers.total()
        if (under_way := fault()) is not None:
            await under_way
        await until_true(lambda mark=before: answers.total() >= mark + 30)  # type: ignore[misc]
    over.set()
    await asyncio.gather(*callers)

    assert away  # the faults were felt by those whom they befell
    assert set(answers) == {grpc.StatusCode.OK}
