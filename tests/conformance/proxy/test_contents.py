"""What is in a call arrives as it was sent, in both directions, whichever way the call took."""

from __future__ import annotations

import grpc
import pytest

from chassis.channels import MOST_BYTES
from tests.support.puppet_silo import KINDS, Pairs, Scene, frame
from tests.support.two_ways import Scenario, Ways

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

    assert (seen.code, seen.request_ids) == (OK, ("puppet-1",))
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

    said = (large,) if way == "request" else (b"",)
    seen = await ways.alike(Scenario(kind, answers, said=said, reaches=False), "too large")

    assert (seen.code, seen.messages) == (grpc.StatusCode.RESOURCE_EXHAUSTED, ())


@kinds
async def test_bytes_that_are_no_message(ways: Ways, kind: str) -> None:
    async def garbled(scene: Scene) -> None:
        await scene.hear_all()

    seen = await ways.same(Scenario(kind, garbled, raw=(b"\xff\xff\xff",), reaches=KINDS[kind][0]))

    assert seen.code is grpc.StatusCode.INVALID_ARGUMENT
