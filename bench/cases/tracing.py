"""What traces cost where nobody records them, and where somebody does.

In this process alone: a span by itself, and a whole call through the guards that every call passes.
Nobody collects: what is recorded is dropped, as with a collector that is away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import grpc
from medport.router.v1 import gateway_pb2 as pb
from medport.router.v1 import gateway_pb2_grpc as rpc
from opentelemetry import trace

from bench.cases import Stage
from bench.figures import Goal, share
from bench.peers import OURS
from chassis import telemetry, tracing
from chassis.interceptors import deadlines, errors, logging, validation
from chassis.interceptors import tracing as guarding
from chassis.interceptors.guards import GuardedServer

CASE = "tracing"
GOALS = (Goal(CASE, "ns of CPU a span", 1_000),)
RECORDING = "MedPort, recording"
NOWHERE = "127.0.0.1:9"  # discard: nothing listens


class _Answering(rpc.GatewayServiceServicer):
    async def GetMeshStatus(  # noqa: N802 - of the contract
        self,
        request: pb.GetMeshStatusRequest,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> pb.GetMeshStatusResponse:
        with tracing.span("work"):
            return pb.GetMeshStatusResponse()

    async def ListRoutes(  # noqa: N802 - of the contract
        self,
        request: pb.ListRoutesRequest,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> pb.ListRoutesResponse:
        return pb.ListRoutesResponse()


async def run(stage: Stage) -> None:
    telemetry.configure("ERROR", CASE)  # the line of each call is the log's cost, not the trace's
    loops, calls = stage.count(200_000, 2_000), stage.count(3_000, 50)
    off = _nanoseconds(lambda: tracing.span("work"), loops)
    plain = trace.get_tracer(CASE)  # the API without its SDK: what others call "off"
    api = _nanoseconds(lambda: plain.start_as_current_span("work"), loops)
    stage.figures.add(CASE, OURS.name, {"ns of CPU a span": off, **await _calls(calls)})
    stage.figures.add(CASE, "OpenTelemetry without SDK", {"ns of CPU a span": api})
    tracing.configure(CASE, NOWHERE)
    try:
        on = _nanoseconds(lambda: tracing.following("", "work", tracing.Kind.INTERNAL), loops // 20)
        stage.figures.add(CASE, RECORDING, {"ns of CPU a span": on, **await _calls(calls)})
    finally:
        tracing.finish()


def _nanoseconds(span: Callable[[], AbstractContextManager[Any]], count: int) -> float:
    """Return what this thread spends on one: the clock would tell how busy the machine is."""
    begun = time.thread_time_ns()
    for _ in range(count):
        with span():
            pass
    return (time.thread_time_ns() - begun) / count


async def _calls(count: int) -> dict[str, float]:
    """Return how long calls take one after the other, client included, in microseconds."""
    server = grpc.aio.server()
    guards = (
        errors.guard("router", "bench"),
        *guarding.guards("router"),
        logging.guard("router"),
        deadlines.guard,
        validation.guard,
    )
    guarded = cast("grpc.aio.Server", GuardedServer(server, guards))
    rpc.add_GatewayServiceServicer_to_server(_Answering(), guarded)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    took: list[float] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = rpc.GatewayServiceStub(channel)
        for _ in range(count):
            begun = time.perf_counter()
            await stub.GetMeshStatus(pb.GetMeshStatusRequest())
            took.append((time.perf_counter() - begun) * 1e6)
    await server.stop(None)
    await asyncio.sleep(0)
    return {"p50 us a call": share(took, 50), "p99 us a call": share(took, 99)}
