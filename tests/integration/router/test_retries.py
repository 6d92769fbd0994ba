"""Failures are not multiplied: neither by the router's repeats, nor by its clients'."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest
from prometheus_client import REGISTRY

from router.policies import CHANNELS, RETRY_BUDGET
from tests.support.obedient_silo import service, text
from tests.support.routed_mesh import Mesh, observe

EAGER = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.01s",
                    "backoffMultiplier": 1,
                    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
                },
            }
        ]
    }
)


def arrived(method: str) -> float:
    """Count the calls of a method that have come to the router."""
    labels = {"grpc_type": "unary", "grpc_service": service("hospital"), "grpc_method": method}
    return REGISTRY.get_sample_value("grpc_server_started_total", labels) or 0.0


@pytest.mark.parametrize("name", ["Echo", "Store"])
async def test_a_client_that_repeats_is_told_not_to(mesh: Mesh, name: str) -> None:
    await mesh.silos["hospital"].stop()
    address = f"127.0.0.1:{mesh.router.port}"
    options = (("grpc.service_config", EAGER),)
    async with grpc.aio.insecure_channel(address, options=options) as eager:
        before = arrived(name)
        for _ in range(10):
            seen = await observe(eager, name, text("ok"))
            assert seen.code is grpc.StatusCode.UNAVAILABLE

    assert arrived(name) - before == 10


@pytest.mark.parametrize("name", ["Echo", "Store"])
async def test_nor_does_a_client_repeat_what_a_silo_could_not_do(mesh: Mesh, name: str) -> None:
    address = f"127.0.0.1:{mesh.router.port}"
    async with grpc.aio.insecure_channel(address, options=(("grpc.service_config", EAGER),)) as to:
        before = arrived(name)
        for _ in range(3):
            seen = await observe(to, name, text("unavailable"))
            assert seen.code is grpc.StatusCode.UNAVAILABLE

    assert arrived(name) - before == 3


async def test_the_routers_own_repeats_stop_when_most_calls_fail(mesh: Mesh) -> None:
    silo = mesh.silos["hospital"]
    most = int(CHANNELS * RETRY_BUDGET["maxTokens"])

    async def fail(times: int) -> None:
        for _ in range(times):
            seen = await observe(mesh.proxied, "Echo", text("unavailable"), timeout=10)
            assert seen.code is grpc.StatusCode.UNAVAILABLE

    await asyncio.gather(*(fail(most // 16) for _ in range(16)))
    assert silo.seen["calls"] < most * 2  # at first each was repeated
    silo.seen.clear()

    await fail(40)

    assert silo.seen["calls"] == 40  # the budget is spent
