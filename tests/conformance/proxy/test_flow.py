"""Who reads slowly is written to slowly: the router holds a window of a stream, never its length.

100,000 messages in the long profile. What the router holds is read from its process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import pytest

from tests.support.profiles import count
from tests.support.puppet_silo import Frame, Scene, frame
from tests.support.two_ways import Caller, Scenario, Ways

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

MESSAGES = count(short=1_600, long=100_000)
BYTES = 4_096
REST_EVERY = MESSAGES // count(short=4, long=20)  # messages; then nothing is read until all rests
MOST_UNDER_WAY = 1024 * 1024 // BYTES  # in the windows of both connections: a fifth was measured
MOST_GROWTH_MEGABYTES = 4.0
SECONDS = 400.0


def numbered(number: int) -> bytes:
    return b"%08d" % number + b"x" * (BYTES - 8)


@dataclass
class Gauge:
    """What was under way whenever the writer had come to rest, and what the router held."""

    under_way: list[int] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    async def take(self, ways: Ways, written: Callable[[], int], read: int) -> None:
        await until_it_rests(ways, written)
        self.under_way.append(written() - read)
        self.megabytes.append(ways.router.megabytes)


def assert_little_is_held(gauges: list[Gauge]) -> None:
    for gauge in gauges:
        assert max(gauge.under_way) < MOST_UNDER_WAY < MESSAGES // 2
        assert max(gauge.megabytes) - gauge.megabytes[0] < MOST_GROWTH_MEGABYTES


async def until_it_rests(ways: Ways, written: Callable[[], int]) -> None:
    """Return when other calls came and went, five each way, and nothing more was written."""

    async def nothing(scene: Scene) -> None:
        await scene.hear()

    before = -1
    while before != written():
        before = written()
        for _ in range(5):
            await ways.both(Scenario("Answer", nothing, name="beside"))


async def test_a_slow_reader_of_a_long_stream(ways: Ways) -> None:
    async def say_them_all(scene: Scene) -> None:
        for number in range(MESSAGES):
            await scene.say(numbered(number))

    gauges, read = list[Gauge](), list[int]()

    async def sip(caller: Caller) -> None:
        gauge, numbers = Gauge(), 0
        while True:
            if numbers % REST_EVERY == 0:
                await gauge.take(ways, lambda: caller.scene.written, numbers)
            if (message := await caller.call.read()) is grpc.aio.EOF:
                break
            assert message == frame(numbered(numbers))
            numbers += 1
        gauges.append(gauge)
        read.append(numbers)

    seen = await ways.same(Scenario("Stream", say_them_all, sip, timeout=SECONDS))

    assert (seen.code, seen.left, read) == (grpc.StatusCode.OK, "returned", [MESSAGES] * 2)
    assert_little_is_held(gauges)


async def test_a_slow_listener_to_a_long_upload(ways: Ways) -> None:
    gauges = list[Gauge]()

    async def listen_late(scene: Scene) -> None:
        await scene.gate.wait()
        heard = 0
        async for request in scene.requests:
            assert request.body == numbered(heard)
            heard += 1
        await scene.say(b"%d" % heard)

    async def say_them_all(caller: Caller) -> None:
        sent, gauge = 0, Gauge()

        async def send() -> None:
            nonlocal sent
            while sent < MESSAGES and await caller.say(frame(numbered(sent))):
                sent += 1
            await caller.hang_up()

        sending = asyncio.create_task(send())
        await gauge.take(ways, lambda: sent, 0)
        caller.scene.gate.set()
        await sending
        await caller.hear_all()
        gauge.megabytes.append(ways.router.megabytes)
        gauges.append(gauge)

    seen = await ways.same(Scenario("Collect", listen_late, say_them_all, timeout=SECONDS))

    assert (seen.code, seen.left) == (grpc.StatusCode.OK, "returned")
    assert Frame.FromString(seen.messages[0]).body == b"%d" % MESSAGES
    assert_little_is_held(gauges)
