"""What a call carries to the silo, how long it may take, and how either side ends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from router.metadata import forwarded
from router.uploads import HALF_CLOSE_DELAY_S, send_all
from tests.support.obedient_silo import METHODS, Text, text
from tests.support.routed_mesh import Mesh, begin, observe, until_true


async def seen_by_silo(
    mesh: Mesh, channel: grpc.aio.Channel | None = None, name: str = "Echo", **options: Any
) -> tuple[float, Any]:
    answer = await observe(channel or mesh.proxied, name, text("seen"), **options)
    remaining, pairs = json.loads(Text.FromString(answer.messages[0]).text)
    return remaining, pairs


def faults() -> float:
    """Count what was taken for a mistake of the code."""
    kinds = (each for each in REGISTRY.collect() if each.name == "medport_faults")
    return sum(each.value for kind in kinds for each in kind.samples if "_total" in each.name)


async def test_order_and_duplicates_of_metadata_are_kept(mesh: Mesh) -> None:
    sent = (("x-a", "1"), ("medport-consistency", "c"), ("x-a", "2"), ("x-b-bin", b"\xff"))

    _, direct = await seen_by_silo(mesh, mesh.direct, metadata=sent)
    _, proxied = await seen_by_silo(mesh, metadata=sent)

    assert [each for each in proxied if each[0] in dict(sent)] == [
        each for each in direct if each[0] in dict(sent)
    ]
    assert len([each for each in proxied if each[0] == "x-a"]) == 2


@pytest.mark.parametrize(
    "name",
    [
        "x-medport-principal",
        "x-medport-router",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded",
        "grpc-anything",
        "authorization-ems",
    ],
)
async def test_forged_metadata_is_stripped(mesh: Mesh, name: str) -> None:
    _, pairs = await seen_by_silo(mesh, metadata=((name, "forged"), ("x-other", "kept")))

    assert "forged" not in repr(pairs)
    assert ["x-other", "'kept'"] in pairs
    assert ["x-forwarded-for", "'127.0.0.1'"] in pairs


async def test_names_that_the_runtime_would_hide_are_stripped_too() -> None:
    """These arrive once, whatever is sent on: the last one, which a runtime adds, replaces all."""
    names = ("user-agent", "traceparent", "x-forwarded-for", "x-request-id")

    async def passed_on(_: bytes, context: Any) -> bytes:
        kept, _request_id = forwarded(context)
        came = {str(each) for each, _ in context.invocation_metadata()}
        return json.dumps([sorted(came.intersection(names)), kept]).encode()

    server = grpc.aio.server()
    made: Any = {"Ask": grpc.unary_unary_rpc_method_handler(passed_on)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("any", made),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask: Any = channel.unary_unary("/any/Ask")
        sent = tuple((name, "forged, or so") for name in names)
        arrived, kept = json.loads(await ask(b"", metadata=sent))
    await server.stop(None)

    assert arrived == sorted(names)
    assert [name for name, _ in kept] == ["x-request-id", "x-forwarded-for"]
    assert "forged" not in repr(kept)


async def test_a_good_request_id_passes_and_a_bad_one_is_made_anew(mesh: Mesh) -> None:
    _, pairs = await seen_by_silo(mesh, metadata=(("x-request-id", "r1"),))
    assert ["x-request-id", "'r1'"] in pairs

    for bad in ((), (("x-request-id", "a b"),), (("x-request-id", "a"), ("x-request-id", "b"))):
        _, pairs = await seen_by_silo(mesh, metadata=bad)
        ids = [value for key, value in pairs if key == "x-request-id"]
        assert len(ids) == 1
        assert len(ids[0]) == 38  # one fresh UUID, quoted


async def test_deadlines_are_passed_on_defaulted_and_capped(mesh: Mesh) -> None:
    remaining, _ = await seen_by_silo(mesh, timeout=1.5)
    assert 0 < remaining <= 1.51  # the runtime rounds up on every hop
    remaining, _ = await seen_by_silo(mesh, name="Echo")  # it has no side effects
    assert 1 < remaining <= 2.1
    remaining, _ = await seen_by_silo(mesh, name="Store")
    assert 4 < remaining <= 5.1
    remaining, _ = await seen_by_silo(mesh, name="Store", timeout=500)
    assert 29 < remaining <= 30.1


@pytest.mark.parametrize("name", ["Watch", "Collect", "Chat"])
async def test_streams_are_uncapped(mesh: Mesh, name: str) -> None:
    assert (await seen_by_silo(mesh, name=name))[0] is None
    assert (await seen_by_silo(mesh, name=name, timeout=500))[0] > 490


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("leave", ["cancel", "deadline"])
async def test_a_client_that_leaves_frees_the_silos_handler(
    mesh: Mesh, name: str, leave: str
) -> None:
    silo, timeout = mesh.silos["hospital"], 1.5 if leave == "deadline" else None
    call = begin(mesh.proxied, name, text("sleep"), timeout=timeout)
    await until_true(lambda: silo.running == 1)

    if leave == "cancel":
        call.cancel()

    await until_true(lambda: silo.running == 0 and silo.seen["cancelled"] == 1)
    bulkhead = mesh.router.backends["hospital"].bulkhead
    await until_true(lambda: bulkhead.calls == bulkhead.streams == 0)


async def test_an_aborted_upload_never_looks_complete_to_the_silo(mesh: Mesh) -> None:
    silo = mesh.silos["hospital"]
    collect: Any = mesh.proxied.stream_unary("/medport.hospital.v1.ObedientService/Collect")
    for _ in range(100):
        call = collect()
        await call.write(text("ok"))
        await call.write(text("half"))
        call.cancel()
    bulkhead = mesh.router.backends["hospital"].bulkhead
    await until_true(lambda: bulkhead.streams == 0)

    await observe(mesh.proxied, "Echo", text("ok"))  # the silo has had its turn since

    assert silo.seen["believed complete"] == 0


async def test_an_upload_whose_cancellation_comes_after_its_end_is_not_complete(mesh: Mesh) -> None:
    silo, loop = mesh.silos["hospital"], asyncio.get_running_loop()
    collect: Any = mesh.direct.stream_unary("/medport.hospital.v1.ObedientService/Collect")

    async def cancelled(call: Any) -> AsyncIterator[bytes]:
        """Read as the runtime lets a router read: the end first, and then why it ended."""
        yield text("ok")
        yield text("half")
        loop.call_later(HALF_CLOSE_DELAY_S / 2, call.cancel)

    for _ in range(10):
        call = collect()
        await send_all(cancelled(call), call)
        assert await call.code() is grpc.StatusCode.CANCELLED

    assert silo.seen["believed complete"] == 0


async def test_only_what_is_harmless_to_repeat_is_repeated(mesh: Mesh) -> None:
    silo = mesh.silos["hospital"]
    for name, attempts, code in (
        ("Echo", 2, grpc.StatusCode.OK),
        ("Store", 1, grpc.StatusCode.UNAVAILABLE),
        ("Watch", 1, grpc.StatusCode.UNAVAILABLE),
    ):
        silo.seen["calls"] = 0
        observed = await observe(mesh.proxied, name, text("flaky"))
        assert (silo.seen["calls"], observed.code) == (attempts, code), name


@pytest.mark.parametrize("name", METHODS)
async def test_messages_too_large_are_refused_with_a_reason(mesh: Mesh, name: str) -> None:
    for message in (text("huge"), text("x" * 5_000_000)):  # the answer, the request
        observed = await observe(mesh.proxied, name, message)
        assert (observed.code, observed.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "MESSAGE_TOO_LARGE",
        )


async def test_metadata_is_refused_by_its_size_and_not_at_random(mesh: Mesh) -> None:
    for size, code in (
        (12_000, grpc.StatusCode.OK),
        (20_000, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ):
        metadata = (("x-long", "x" * size),)
        codes = {
            (await observe(mesh.proxied, "Store", text("ok"), metadata=metadata)).code
            for _ in range(20)
        }
        assert codes == {code}, size


async def test_calls_are_spread_over_four_connections(mesh: Mesh) -> None:
    silo = mesh.silos["hospital"]
    calls = [begin(mesh.proxied, "Store", text("wait")) for _ in range(8)]
    await until_true(lambda: silo.running == 8)
    assert len(silo.peers) == 4
    silo.gate.set()
    for call in calls:
        await call


async def test_a_client_that_does_not_read_stops_the_silo(mesh: Mesh) -> None:
    silo, mistakes = mesh.silos["hospital"], faults()
    call = begin(mesh.proxied_too, "Watch", text("flood"))
    assert await call.read() is not grpc.aio.EOF
    flooded = -1
    while flooded != silo.seen["flooded"]:  # until nothing moves any more
        flooded = silo.seen["flooded"]
        for _ in range(50):
            assert (await observe(mesh.proxied, "Echo", text("ok"))).code is grpc.StatusCode.OK

    assert flooded < 20  # of 1000 messages of 64 KiB
    call.cancel()
    await until_true(lambda: silo.running == 0)
    assert faults() == mistakes
