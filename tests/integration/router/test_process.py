"""The router as a process: what it refuses to start with, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from medport.router.v1.gateway_pb2 import GetMeshStatusRequest
from medport.router.v1.gateway_pb2_grpc import GatewayServiceStub

from tests.support.obedient_silo import ObedientSilo, contract, text
from tests.support.routed_mesh import begin, observe, until_true

SETTINGS = {
    "MEDPORT_LISTEN": "127.0.0.1:0",
    "MEDPORT_SILOS": "hospital=127.0.0.1:1,ems=127.0.0.1:2,center=127.0.0.1:3",
    "MEDPORT_DESCRIPTORS": "build/medport.binpb",
    "MEDPORT_KEY_CACHE": "unused",
    "MEDPORT_REFLECTION": "open",
}


async def started(environ: dict[str, str]) -> asyncio.subprocess.Process:
    clean = {name: each for name, each in os.environ.items() if not name.startswith("MEDPORT_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "router",
        "serve",
        env=clean | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@contextlib.asynccontextmanager
async def running(environ: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Start a router; yield it and its port, and kill it if the test left it running."""
    process = await started(environ)
    assert process.stdout is not None
    try:
        while json.loads(line := await process.stdout.readline())["event"] != "serving":
            pass
        yield process, json.loads(line)["port"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_every_mistake_of_the_environment_is_a_line(tmp_path: Path) -> None:
    broken = SETTINGS | {
        "MEDPORT_LISTEN": "nowhere",
        "MEDPORT_REFLECTION": "perhaps",
        "MEDPORT_DESCRIPTORS": str(tmp_path / "absent"),
    }
    process = await started(broken)
    _, errors = await process.communicate()
    lines = errors.decode().splitlines()
    assert process.returncode == 2
    assert [line.partition(":")[0] for line in lines] == [
        "MEDPORT_LISTEN",
        "MEDPORT_DESCRIPTORS",
        "MEDPORT_REFLECTION",
    ]


async def test_silos_and_contract_must_fit(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\xff\xff\xff")
    for name, value in (
        ("MEDPORT_SILOS", "hospital=127.0.0.1:1,ems=127.0.0.1:2"),
        ("MEDPORT_DESCRIPTORS", str(tmp_path / "noise")),
    ):
        process = await started(SETTINGS | {name: value})
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert errors.decode().startswith(f"{name}:")
        assert len(errors.decode().splitlines()) == 1


async def test_a_taken_port_is_said_in_one_line() -> None:
    async with running(SETTINGS) as (_, port):
        process = await started(SETTINGS | {"MEDPORT_LISTEN": f"127.0.0.1:{port}"})
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert "MEDPORT_LISTEN" in errors.decode().splitlines()[-1]


async def test_sigterm_lets_calls_finish_tells_streams_and_exits_0(tmp_path: Path) -> None:
    silo = ObedientSilo()
    await silo.start()
    (tmp_path / "contract").write_bytes(contract().SerializeToString())
    environ = SETTINGS | {
        "MEDPORT_SILOS": f"hospital=127.0.0.1:{silo.port},ems=127.0.0.1:2,center=127.0.0.1:3",
        "MEDPORT_DESCRIPTORS": str(tmp_path / "contract"),
        "MEDPORT_KEY_CACHE": str(tmp_path),
    }
    async with (
        running(environ) as (process, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        call = begin(channel, "Store", text("wait"), timeout=20)
        stream = asyncio.create_task(observe(channel, "Watch", text("wait")))
        await until_true(lambda: silo.running == 2)

        process.send_signal(signal.SIGTERM)

        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        ended = await stream
        assert (ended.code, ended.reason) == (grpc.StatusCode.UNAVAILABLE, "ROUTER_DRAINING")
        silo.gate.set()
        await call
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    await silo.stop()


async def test_a_second_signal_ends_it_at_once() -> None:
    async with running(SETTINGS) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        while json.loads(await process.stdout.readline())["event"] != "draining":
            pass
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):  # of the 17 s that a drain may take
            assert await process.wait() == 128 + signal.SIGTERM


def test_a_closed_output_costs_lines_and_nothing_else() -> None:
    clean = {name: each for name, each in os.environ.items() if not name.startswith("MEDPORT_")}
    command = [sys.executable, "-m", "router", "serve"]
    with subprocess.Popen(
        command, env=clean | SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while json.loads(line := process.stdout.readline())["event"] != "serving":
            pass
        process.stdout.close()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{json.loads(line)['port']}") as channel:
                for _ in range(3):
                    GatewayServiceStub(channel).GetMeshStatus(GetMeshStatusRequest(), timeout=10)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


async def test_prometheus_can_ask() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with running(SETTINGS | {"MEDPORT_METRICS_LISTEN": address}) as (_, port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            nothing: Any = channel.unary_unary("/no.Service/Nothing")
            with pytest.raises(grpc.aio.AioRpcError):
                await nothing(b"")
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = (await reader.read()).decode()
        writer.close()
    assert 'medport_router_breaker_state{silo="ems"} ' in answer
    assert 'grpc_method="unknown"' in answer
    assert "_created" not in answer  # a fifth of all series would tell when the others began
