"""Either side's end of a call is the other side's, at the same moment, whichever way it took."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.support.puppet_silo import KINDS, Scene, frame
from tests.support.two_ways import Caller, Scenario, Ways

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE = grpc.StatusCode
UPLOADS = [name for name, (reads, _) in KINDS.items() if reads]
DOWNLOADS = [name for name, (_, writes) in KINDS.items() if writes]
SECONDS = 1.0  # a deadline that leaves time to reach the silo
RACES = 20  # each of what only sometimes went wrong
kinds = pytest.mark.parametrize("kind", KINDS)


async def wait(scene: Scene) -> None:
    await scene.gate.wait()  # which nobody opens


async def leave(caller: Caller) -> None:
    await caller.scene.entered.wait()
    caller.call.cancel()


@kinds
async def test_a_client_that_cancels_ends_the_handler(ways: Ways, kind: str) -> None:
    seen = await ways.same(Scenario(kind, wait, leave))

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

    seen = await ways.same(Scenario(kind, say_one_and_wait, hear_one_and_leave))

    assert (seen.code, seen.messages) == (CODE.CANCELLED, (frame(b"one"),))
    assert seen.left == "cancelled"


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
    outcomes = await asyncio.gather(*(ways.alike(each, "deadline") for each in scenarios))

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
