"""Either side's pace is the other side's, and either side's end, whichever way the call took.

Long streams have 100,000 messages, uploads in the long profile only. What the router holds of them
is counted in messages, and read from its process.
"""

from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.support.flow_gauges import Gauge, numbered, until_it_rests
from tests.support.profiles import count
from tests.support.puppet_silo import KINDS, Frame, Scene, frame
from tests.support.two_ways import Caller, Scenario, Ways

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

CODE = grpc.StatusCode
UPLOADS = [name for name, (reads, _) in KINDS.items() if reads]
DOWNLOADS = [name for name, (_, writes) in KINDS.items() if writes]
SECONDS = 1.5  # a deadline that leaves time to reach the silo
PATIENCE = 4.5  # without a deadline unary calls end after 5 s: until then it was the cancellation
RACES = 20  # each of what only sometimes went wrong
STREAMED = 100_000
UPLOADED = count(short=1_600, long=100_000)
REST_EVERY = STREAMED // count(short=4, long=20)  # messages; then nothing is read until all rests
MOST_SECONDS = 400.0
kinds = pytest.mark.parametrize("kind", KINDS)


async def wait(scene: Scene) -> None:
    await scene.gate.wait()  # which nobody opens


async def leave(caller: Caller) -> None:
    await caller.scene.entered.wait()
    caller.call.cancel()


@kinds
async def test_a_client_that_cancels_ends_the_handler(ways: Ways, kind: str) -> None:
    seen = await ways.same(Scenario(kind, wait, leave, timeout=None, patience=PATIENCE))

    assert (seen.code, seen.left) == (CODE.CANCELLED, "cancelled")


@pytest.mark.parametrize("kind", DOWNLOADS)
async def test_a_client_that_cancels_between_answers_ends_the_handler(
    ways: Ways, kind: str
) -> None:
    async def say_one_and_wait(scene: Scene) -> None:
        await scene.say(b"one")
        await scene.gate.wait()

    async def hear_one_and_leave(caller: Caller) -> None:
        await caller.hear()
        caller.call.cancel()

    seen = await ways.same(Scenario(kind, say_one_and_wait, hear_one_and_leave, timeout=None))

    assert (seen.code, seen.messages) == (CODE.CANCELLED, (frame(b"one"),))
    assert seen.left == "cancelled"


@pytest.mark.parametrize("kind", DOWNLOADS)
async def test_a_client_that_leaves_without_reading_ends_it(ways: Ways, kind: str) -> None:
    async def say_and_say(scene: Scene) -> None:
        while True:
            await scene.say(numbered(0))

    async def rest_and_leave(caller: Caller) -> None:
        await until_it_rests(ways, lambda: caller.scene.written)
        caller.call.cancel()

    seen = await ways.same(Scenario(kind, say_and_say, rest_and_leave, timeout=None))

    assert (seen.code, seen.left) == (CODE.CANCELLED, "cancelled")


@kinds
async def test_a_silo_that_cancels_ends_the_call(ways: Ways, kind: str) -> None:
    async def cancel(scene: Scene) -> None:
        await scene.end(CODE.CANCELLED, "the silo gave up")

    async def be_cancelled(scene: Scene) -> None:
        raise asyncio.CancelledError

    said = await ways.same(Scenario(kind, cancel))
    unsaid = await ways.same(Scenario(kind, be_cancelled))

    assert (said.code, said.text) == (CODE.CANCELLED, "the silo gave up")
    assert unsaid.code is CODE.INTERNAL


async def test_a_deadline_ends_both_sides(ways: Ways) -> None:
    async def wait_out(caller: Caller) -> None:
        await caller.scene.entered.wait()
        assert caller.scene.seconds is not None
        # The runtime rounds up by some milliseconds on every hop, and never more.
        assert 0 < caller.scene.seconds <= SECONDS + 0.01
        await caller.hear_all()

    scenarios = [Scenario(kind, wait, wait_out, timeout=SECONDS, name=kind) for kind in KINDS]
    outcomes = await asyncio.gather(*(ways.alike(each) for each in scenarios))

    assert {(each.code, each.left) for each in outcomes} == {(CODE.DEADLINE_EXCEEDED, "cancelled")}


@pytest.mark.parametrize("kind", UPLOADS)
async def test_a_silo_hears_the_end_of_an_upload_before_it_answers(ways: Ways, kind: str) -> None:
    async def answer_at_the_end(scene: Scene) -> None:
        await scene.hear_all()
        await scene.say(b"%d" % len(scene.heard))

    seen = await ways.same(Scenario(kind, answer_at_the_end, said=(b"a", b"b", b"c")))

    assert (seen.code, seen.messages) == (CODE.OK, (frame(b"3"),))


async def test_a_silo_may_speak_on_after_the_client_has_finished(ways: Ways) -> None:
    async def finish_first(caller: Caller) -> None:
        await caller.say(frame(b"that is all"))
        await caller.hang_up()
        for _ in range(3):
            await caller.hear()
        caller.scene.gate.set()
        await caller.hear_all()

    async def speak_on(scene: Scene) -> None:
        await scene.hear_all()
        for number in range(3):
            await scene.say(b"%d" % number)
        await scene.gate.wait()
        await scene.say(b"last")

    seen = await ways.same(Scenario("Converse", speak_on, finish_first))

    assert (seen.code, len(seen.messages), seen.left) == (CODE.OK, 4, "returned")


@pytest.mark.parametrize("kind", UPLOADS)
@pytest.mark.parametrize("code", [CODE.FAILED_PRECONDITION, CODE.UNAVAILABLE, CODE.OK])
async def test_a_status_reaches_a_client_that_still_writes(
    ways: Ways, kind: str, code: grpc.StatusCode
) -> None:
    """Hold what grpc.aio would turn into INTERNAL (grpc/grpc#36066)."""

    async def hear_one_and_end(scene: Scene) -> None:
        await scene.hear()
        if code is not CODE.OK:
            await scene.end(code, "enough")

    async def write_on(caller: Caller) -> None:
        while await caller.say(frame(b"x" * 1000)):
            pass
        await caller.hear_all()

    for _ in range(RACES):
        seen = await ways.same(Scenario(kind, hear_one_and_end, write_on))
        assert (seen.code, len(seen.heard)) == (code, 1)


@pytest.mark.parametrize("kind", UPLOADS)
async def test_a_status_needs_no_message(ways: Ways, kind: str) -> None:
    async def refuse_at_once(scene: Scene) -> None:
        await scene.end(CODE.RESOURCE_EXHAUSTED, "not today", trailers=[("x-why", "full")])

    async def say_nothing(caller: Caller) -> None:
        await caller.hear_all()

    seen = await ways.same(Scenario(kind, refuse_at_once, say_nothing))

    assert (seen.code, seen.text, seen.heard) == (CODE.RESOURCE_EXHAUSTED, "not today", ())
    assert ("x-why", "full") in seen.trailing


@pytest.mark.parametrize("kind", DOWNLOADS)
async def test_initial_metadata_comes_before_the_first_answer(ways: Ways, kind: str) -> None:
    async def announce_and_wait(scene: Scene) -> None:
        await scene.context.send_initial_metadata((("x-begun", "1"),))
        await scene.gate.wait()
        await scene.say(b"at last")

    async def see_it_first(caller: Caller) -> None:
        assert ("x-begun", "1") in tuple(await caller.call.initial_metadata())
        caller.scene.gate.set()
        await caller.hear_all()

    seen = await ways.same(Scenario(kind, announce_and_wait, see_it_first))

    assert (seen.code, len(seen.messages)) == (CODE.OK, 1)


async def test_each_answers_the_others_last_word(ways: Ways) -> None:
    async def answer_each(scene: Scene) -> None:
        while (body := await scene.hear()) is not None:
            await scene.say(body + b"?")

    async def ask_each(caller: Caller) -> None:
        for number in range(200):
            await caller.say(frame(b"%d" % number))
            assert await caller.hear() == frame(b"%d?" % number)
        await caller.hang_up()
        await caller.hear_all()

    seen = await ways.same(Scenario("Converse", answer_each, ask_each))

    assert (seen.code, len(seen.messages), len(seen.heard)) == (CODE.OK, 200, 200)


async def test_a_slow_reader_of_a_long_stream(ways: Ways) -> None:
    async def say_them_all(scene: Scene) -> None:
        for number in range(STREAMED):
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

    seen = await ways.same(Scenario("Stream", say_them_all, sip, timeout=MOST_SECONDS))

    assert (seen.code, seen.left, read) == (grpc.StatusCode.OK, "returned", [STREAMED] * 2)
    for gauge in gauges:
        gauge.assert_little_is_held(STREAMED)


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
            while sent < UPLOADED and await caller.say(frame(numbered(sent))):
                sent += 1
            await caller.hang_up()

        sending = asyncio.create_task(send())
        await gauge.take(ways, lambda: sent, 0)
        caller.scene.gate.set()
        await sending
        await caller.hear_all()
        gauge.megabytes.append(ways.router.megabytes)
        gauges.append(gauge)

    seen = await ways.same(Scenario("Collect", listen_late, say_them_all, timeout=MOST_SECONDS))

    assert (seen.code, seen.left) == (grpc.StatusCode.OK, "returned")
    assert Frame.FromString(seen.messages[0]).body == b"%d" % UPLOADED
    for gauge in gauges:
        gauge.assert_little_is_held(UPLOADED)
