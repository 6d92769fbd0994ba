"""What operators watch of the router is what it does: alarms and dashboards read these figures."""

from __future__ import annotations

from typing import Any

import grpc
from prometheus_client import REGISTRY

from tests.support.obedient_silo import service, text
from tests.support.routed_mesh import Mesh, begin, observe, until_true


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def of_silo(name: str, silo: str = "hospital") -> float:
    return figure(f"medport_router_{name}", silo=silo)


def unavailable() -> float:
    return figure("medport_router_refused_total", silo="hospital", reason="SILO_UNAVAILABLE")


async def test_calls_and_streams_under_way_are_told_apart(mesh: Mesh) -> None:
    silo = mesh.silos["hospital"]
    under_way = [begin(mesh.proxied, "Store", text("wait"), timeout=20) for _ in range(3)]
    under_way += [begin(mesh.proxied, "Watch", text("wait")) for _ in range(2)]
    await until_true(lambda: silo.running == 5)

    assert (of_silo("inflight"), of_silo("streams")) == (3, 2)
    assert (of_silo("inflight", "ems"), of_silo("streams", "ems")) == (0, 0)

    for call in under_way:
        call.cancel()
    await until_true(lambda: (of_silo("inflight"), of_silo("streams")) == (0, 0))


async def test_an_open_breaker_and_each_call_that_it_refuses_are_told(mesh: Mesh) -> None:
    before = unavailable()
    assert of_silo("breaker_state") == 0
    await mesh.silos["hospital"].stop()

    for _ in range(7):  # five open it, two more are refused at once
        seen = await observe(mesh.proxied, "Store", text("ok"))
        assert seen.code is grpc.StatusCode.UNAVAILABLE

    assert of_silo("breaker_state") == 2
    assert unavailable() - before == 7
    assert of_silo("breaker_state", "ems") == 0


async def test_both_sides_of_a_call_are_counted_and_what_no_method_is(mesh: Mesh) -> None:
    called = {"grpc_type": "unary", "grpc_service": service("hospital"), "grpc_method": "Store"}
    nothing = {"grpc_type": "unary", "grpc_service": "unknown", "grpc_method": "unknown"}

    def counts() -> list[float]:
        return [
            figure("grpc_server_handled_total", **called, grpc_code="OK"),
            figure("grpc_client_handled_total", **called, grpc_code="OK"),
            figure("grpc_server_handled_total", **nothing, grpc_code="UNIMPLEMENTED"),
        ]

    before = counts()
    await observe(mesh.proxied, "Store", text("ok"))
    ask: Any = mesh.proxied.unary_unary(f"/{service('hospital')}/Nothing")
    assert await ask(b"").code() is grpc.StatusCode.UNIMPLEMENTED

    assert [after - each for after, each in zip(counts(), before, strict=True)] == [1, 1, 1]
