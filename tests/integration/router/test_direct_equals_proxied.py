"""Whatever a silo does, the router's client sees it as if it had asked the silo itself."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from tests.support.obedient_silo import METHODS, text
from tests.support.routed_mesh import Mesh, observe

OUTCOMES = {  # what the silo does -> the code the client must see
    **dict.fromkeys(("ok", "empty", "metadata", "big"), grpc.StatusCode.OK),
    **dict.fromkeys(("refuse", "early_refuse", "late"), grpc.StatusCode.FAILED_PRECONDITION),
    **dict.fromkeys(("crash", "inner_cancel"), grpc.StatusCode.INTERNAL),
    "malformed": grpc.StatusCode.INVALID_ARGUMENT,
}


@pytest.mark.parametrize("name", METHODS)
async def test_every_outcome_is_the_same(mesh: Mesh, name: str) -> None:
    reads = METHODS[name][0]
    for outcome, code in OUTCOMES.items():
        first = b"\xff\xff\xff" if outcome == "malformed" else text(outcome)
        messages = [first, text("again")] if reads and outcome != "empty" else [first]
        metadata = (("x-request-id", f"{name}-{outcome}"),)

        direct = await observe(mesh.direct, name, *messages, metadata=metadata, timeout=5)
        proxied = await observe(mesh.proxied, name, *messages, metadata=metadata, timeout=5)

        assert direct == proxied, outcome
        assert proxied.code is code
        assert ("x-medport-served-by", "hospital-1") in proxied.trailing
        assert "SECRET" not in repr(proxied)


async def test_an_upload_refused_midstream_keeps_the_silos_status(mesh: Mesh) -> None:
    # Without ``send_all`` about one in twenty becomes INTERNAL (grpc/grpc#36066).
    for name in ("Collect", "Chat"):
        for _ in range(100):
            messages = [text("refuse"), *[text("x" * 1000)] * 20]
            seen = await observe(mesh.proxied, name, *messages, timeout=10)
            assert (seen.code, seen.reason) == (
                grpc.StatusCode.FAILED_PRECONDITION,
                "FAILED_PRECONDITION",
            )


async def test_an_unknown_method_is_named(mesh: Mesh) -> None:
    for path in ("/medport.hospital.v1.ObedientService/Nothing", "/grpc.channelz.v1.Channelz/Get"):
        call: Any = mesh.proxied.unary_unary(path)
        with pytest.raises(grpc.aio.AioRpcError, match=path) as refused:
            await call(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
