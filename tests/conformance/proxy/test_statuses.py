"""A status arrives as the silo gave it: code, text, every detail, and whatever came before it."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2

from chassis.errors import FailedPrecondition
from tests.support.puppet_silo import KINDS, Scene, frame
from tests.support.two_ways import Scenario, Ways

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODES = [each for each in grpc.StatusCode if each is not grpc.StatusCode.OK]
TEXTS = ("", "plain", "caf\u00e9 \u2192 \U0001f691", "100 % %41\r\n\ttab", "x" * 1024)
DETAILS: tuple[Message, ...] = (
    details_pb2.ErrorInfo(reason="PULLED", domain="puppet.example", metadata={"string": "third"}),
    details_pb2.RequestInfo(request_id="puppet-1"),
    details_pb2.BadRequest(
        field_violations=[
            details_pb2.BadRequest.FieldViolation(field=f"field_{each}", description="caf\u00e9")
            for each in range(20)
        ]
    ),
    Packed(type_url="type.example/nobody.knows.This", value=b"\xff\x00"),
)
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
async def test_all_sixteen_codes_with_several_details(ways: Ways, kind: str) -> None:
    for code in CODES:

        async def refuse(scene: Scene, code: grpc.StatusCode = code) -> None:
            await scene.hear_all()
            await scene.end(code, f"it is {code.name}", DETAILS, [("x-after-bin", b"\xfe")])

        seen = await ways.same(Scenario(kind, refuse))

        assert (seen.code, seen.text, seen.left) == (code, f"it is {code.name}", "ended by itself")
        assert (seen.details.code, len(seen.details.details)) == (code.value[0], len(DETAILS))
        assert ("x-after-bin", b"\xfe") in seen.trailing
        assert seen.messages == ()
    assert len(CODES) == 16


@kinds
async def test_any_text(ways: Ways, kind: str) -> None:
    for text in TEXTS:

        async def refuse(scene: Scene, text: str = text) -> None:
            await scene.end(grpc.StatusCode.ABORTED, text)

        seen = await ways.same(Scenario(kind, refuse))

        assert (seen.code, seen.text) == (grpc.StatusCode.ABORTED, text)


@kinds
async def test_what_was_said_before_the_refusal_is_kept(ways: Ways, kind: str) -> None:
    async def begin_and_refuse(scene: Scene) -> None:
        await scene.context.send_initial_metadata((("x-begun", "1"),))
        await scene.say(b"one")
        await scene.say(b"two")
        await scene.end(grpc.StatusCode.DATA_LOSS, "broke off", DETAILS)

    seen = await ways.same(Scenario(kind, begin_and_refuse))

    assert (seen.code, seen.initial) == (grpc.StatusCode.DATA_LOSS, (("x-begun", "1"),))
    assert seen.messages == ((frame(b"one"), frame(b"two")) if KINDS[kind][1] else ())


@kinds
async def test_a_refusal_of_the_rules_and_a_mistake_of_the_code(ways: Ways, kind: str) -> None:
    async def refuse(scene: Scene) -> None:
        raise FailedPrecondition("the strings are cut", state="CUT")

    async def break_down(scene: Scene) -> None:
        raise ValueError("SECRET")

    refused = await ways.same(Scenario(kind, refuse))
    broken = await ways.same(Scenario(kind, break_down))

    assert (refused.code, refused.text) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "the strings are cut",
    )
    assert (broken.code, broken.text) == (grpc.StatusCode.INTERNAL, "internal error")


@pytest.mark.parametrize("path", ["PuppetService/Nothing", "NobodysService/Answer"])
async def test_an_unknown_method_has_the_same_code(ways: Ways, path: str) -> None:
    codes = []
    for channel in (ways.direct, ways.proxied):
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/medport.hospital.v1.{path}"
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(b"")
        codes.append(refused.value.code())
    assert codes == [grpc.StatusCode.UNIMPLEMENTED] * 2
