"""How long nothing arrives after a process was killed, under the supervisor of ``medport up``."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import AsyncConnection, Error

from bench import facts
from bench.cases import Stage
from bench.figures import Goal
from bench.peers import OURS
from bench.processes import Mesh
from chassis.outbox import append

CASE = "recovery"
VICTIMS = ("hospital", "ems", "hospital-postgres", "ems-postgres", "router")
GOALS = tuple(Goal(CASE, f"seconds after {each} was killed", 15) for each in VICTIMS)
LONGEST_SECONDS = 90.0
PROBE_SECONDS = 0.1

_ARRIVED = "SELECT count(*) FROM facility_directory WHERE facility_id = ANY(%s)"


async def run(stage: Stage) -> None:
    """Kill each process once; the mesh has to be well again before the next one."""
    stage.mesh.only("router", "hospital", "ems")
    await _until_applied(stage.mesh, LONGEST_SECONDS)
    for victim in VICTIMS[: stage.count(len(VICTIMS), 1)]:
        os.kill(stage.mesh.pid(victim), signal.SIGKILL)
        killed = time.monotonic()
        if victim == "router":
            await _until_routed(stage.mesh)
        else:
            await _until_applied(stage.mesh, LONGEST_SECONDS)
        took = time.monotonic() - killed
        stage.figures.add(CASE, OURS.name, {f"seconds after {victim} was killed": took})


async def _until_applied(mesh: Mesh, seconds: float) -> None:
    """Commit facility after facility until one of them is in the EMS silo's own directory."""
    committed: list[str] = []
    async with asyncio.timeout(seconds):
        while not await _arrived(mesh, committed):
            with suppress(Error, OSError):
                committed.append(await _commit(mesh))
            await asyncio.sleep(PROBE_SECONDS)


async def _commit(mesh: Mesh) -> str:
    """Commit on a connection of its own: whatever was open died with the server."""
    announced = facts.changed(audience=("silo:ems",))
    async with await AsyncConnection.connect(
        mesh.dsn("hospital"), autocommit=True, connect_timeout=2
    ) as connection:
        await append(connection, [facts.ENVELOPE.row(announced)])
    return announced.subject.rpartition("/")[2]


async def _arrived(mesh: Mesh, committed: list[str]) -> bool:
    with suppress(Error, OSError):
        async with await AsyncConnection.connect(
            mesh.dsn("ems"), autocommit=True, connect_timeout=2
        ) as connection:
            row = await (await connection.execute(_ARRIVED, (committed,))).fetchone()
            return bool(row and row[0])
    return False


async def _until_routed(mesh: Mesh) -> None:
    """Ask through the router until it answers for a silo behind it."""
    request = health_pb2.HealthCheckRequest(service="medport.hospital.v1")
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            async with grpc.aio.insecure_channel(mesh.address("router")) as opened:
                with suppress(grpc.aio.AioRpcError):
                    answer = await health_pb2_grpc.HealthStub(opened).Check(request, timeout=1)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            await asyncio.sleep(PROBE_SECONDS)
