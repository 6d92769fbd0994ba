"""What is in a call, and how it ended, arrives as it was sent, whichever way the call took."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2

from chassis.channels import MOST_BYTES
from chassis.errors import FailedPrecondition
from tests.support.puppet_silo import KINDS, Pairs, Scene, frame
from tests.support.two_ways import TRACE, Scenario, Ways

pytestmark = pytest.mark.asyncio(loop_scope="module")

OK = grpc.StatusCode.OK
MOST_BODY = MOST_BYTES - len(frame(b"x" * MOST_BYTES)) + MOST_BYTES  # what makes 4 MiB as a message
kinds = pytest.mark.parametrize("kind", KINDS)

# Several values under a name, in turns with another's; bytes that no text has; nothing at all.
METADATA: tuple[tuple[str, str | bytes], ...] = (
    ("x-b", "1"),
    ("x-a", "2"),
    ("x-bytes-bin", bytes(range(256))),
    ("x-b", "3"),
    ("x-a", ""),
    ("x-b", "1"),
    ("x-bytes-bin", b""),
    ("x-bytes-bin", b"\x00,\xff"),
    ("x-text", "two  words, and a comma; %41"),
    ("medport-consistency", "kept"),
)
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


async def echo(scene: Scene) -> None:
    for body in await scene.hear_all():
        await scene.say(body)


async def nothing(scene: Scene) -> None:
    await scene.hear_all()


@kinds
async def test_messages_in_their_order(ways: Ways, kind: str) -> None:
    bodies = (b"one", bytes(range(256)), b"", b"one", b"last")

    seen = await ways.same(Scenario(kind, echo, said=bodies))

    reads, writes = KINDS[kind]
    heard = bodies if reads else bodies[:1]
    assert (seen.code, seen.left, seen.heard) == (OK, "returned", heard)
    assert seen.messages == tuple(map(frame, heard if writes else heard[-1:]))


@kinds
async def test_empty_messages_are_messages(ways: Ways, kind: str) -> None:
    seen = await ways.same(Scenario(kind, echo, said=(b"", b"", b"")))

    reads, writes = KINDS[kind]
    assert seen.code is OK
    assert seen.heard == (b"",) * (3 if reads else 1)
    assert seen.messages == (b"",) * (3 if reads and writes else 1)


@kinds
async def test_streams_without_a_message(ways: Ways, kind: str) -> None:
    seen = await ways.same(Scenario(kind, nothing, said=()))

    assert (seen.code, seen.left) == (OK, "returned")
    assert seen.messages == (() if KINDS[kind][1] else (b"",))


@kinds
async def test_metadata_in_its_order_with_duplicates_and_bytes(ways: Ways, kind: str) -> None:
    async def adorned(scene: Scene) -> None:
        await scene.context.send_initial_metadata(METADATA)
        scene.context.set_trailing_metadata(tuple(reversed(METADATA)))
        await scene.say(b"between")

    seen = await ways.same(Scenario(kind, adorned, metadata=METADATA))

    assert (seen.code, seen.request_ids, seen.traces) == (OK, ("puppet-1",), (TRACE,))
    assert by_name(METADATA).items() <= by_name(seen.told).items()
    assert by_name(METADATA).items() <= by_name(seen.initial).items()
    assert by_name(METADATA[::-1]).items() <= by_name(seen.trailing).items()


def by_name(metadata: Pairs) -> dict[str, list[str | bytes]]:
    """Keep the order that gRPC promises: that of the values under one name."""
    return {name: [value for key, value in metadata if key == name] for name, _ in metadata}


@kinds
async def test_compressed_messages(ways: Ways, kind: str) -> None:
    compressed = Scenario(kind, echo, said=(b"x" * 50_000,), compression=grpc.Compression.Gzip)

    seen = await ways.same(compressed)

    assert (seen.code, len(seen.messages)) == (OK, 1)


@kinds
@pytest.mark.parametrize("size", [MOST_BODY - 1, MOST_BODY])
async def test_messages_of_4_mib_pass(ways: Ways, kind: str, size: int) -> None:
    seen = await ways.same(Scenario(kind, echo, said=(b"x" * size,)))

    assert seen.code is OK
    assert [len(each) for each in seen.messages] == [size + MOST_BYTES - MOST_BODY]


@kinds
@pytest.mark.parametrize("way", ["request", "answer"])
async def test_a_byte_more_than_4_mib_has_the_same_code(ways: Ways, kind: str, way: str) -> None:
    large = b"x" * (MOST_BODY + 1)

    async def answers(scene: Scene) -> None:
        await scene.hear_all()
        await scene.say(large)

    said, heard = ((large,), ()) if way == "request" else ((b"",), (b"",))
    outcomes = await ways.both(Scenario(kind, answers, said=said, reaches=False))

    # Whether the handler began, and learns of the end by its reading or by being cancelled, is a
    # race within gRPC's server, on either way.
    for seen in outcomes:
        assert (seen.code, seen.messages) == (grpc.StatusCode.RESOURCE_EXHAUSTED, ())
        assert (seen.initial, seen.heard) == ((), heard)


@kinds
async def test_bytes_that_are_no_message(ways: Ways, kind: str) -> None:
    async def garbled(scene: Scene) -> None:
        await scene.hear_all()

    seen = await ways.same(Scenario(kind, garbled, raw=(b"\xff\xff\xff",), reaches=KINDS[kind][0]))

    assert seen.code is grpc.StatusCode.INVALID_ARGUMENT


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
async def test_an_unknown_method_is_named_on_both_ways(ways: Ways, path: str) -> None:
    for channel in (ways.direct, ways.proxied):
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/medport.hospital.v1.{path}"
        )
        with pytest.raises(grpc.aio.AioRpcError, match=path) as refused:
            await ask(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
