"""One silo is killed, restarted or stopped: what callers of the other two notice of it.

Users of all three silos read through the router at a steady rate. A call's time runs from when it
was due, so that a stall delays all that queue behind it. Each fault befalls each silo in turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from medport.center.v1 import services_pb2 as services
from medport.center.v1 import sessions_pb2 as center_sessions
from medport.center.v1.services_pb2_grpc import ServiceRegistryServiceStub
from medport.center.v1.sessions_pb2_grpc import SessionServiceStub as CenterSessions
from medport.ems.v1 import available_trips_pb2 as offers
from medport.ems.v1 import sessions_pb2 as ems_sessions
from medport.ems.v1.available_trips_pb2_grpc import AvailableTripServiceStub
from medport.ems.v1.sessions_pb2_grpc import SessionServiceStub as EmsSessions
from medport.hospital.v1 import sessions_pb2 as hospital_sessions
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub as HospitalSessions
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from bench.cases import Stage
from bench.figures import Goal, share
from bench.peers import OURS
from bench.processes import Mesh
from chassis.channels import channel

CASE = "isolation"
FAULTS = ("killed", "restarted", "stopped")
GOALS = tuple(Goal(CASE, f"p99 of the others, one {each}, of that before", 1.5) for each in FAULTS)
PER_SECOND = 40  # of each silo's user, who is allowed 50
STOPPED_SECONDS = 4.0
SESSIONS: dict[str, tuple[Any, Any]] = {
    "hospital": (HospitalSessions, hospital_sessions),
    "ems": (EmsSessions, ems_sessions),
    "center": (CenterSessions, center_sessions),
}
USERS = {"hospital": "case.manager.1@upmc", "ems": "dispatcher@blueheron", "center": ""}


@dataclass
class Took:
    """What callers of one silo waited, in milliseconds, and who of them in vain, by code."""

    milliseconds: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


Call = Callable[[], Awaitable[object]]


async def run(stage: Stage) -> None:
    """Measure undisturbed, then under each fault of each silo."""
    mesh, seconds = stage.mesh, stage.count(8, 1)
    mesh.only("router", *SESSIONS)
    await asyncio.to_thread(mesh.demo, 10)
    async with channel(mesh.address("router")) as router:
        calls = await _calls(mesh, router)
        before = list((await _measured(calls, seconds)).values())
        stage.figures.add(
            CASE,
            OURS.name,
            {
                "p99 ms undisturbed": _p99(before),
                "failed calls undisturbed": _failed(before),
            },
        )
        for fault in FAULTS:
            others: list[Took] = []
            for silo in SESSIONS:
                async with _befallen(mesh, silo, fault):
                    found = await _measured(calls, seconds)
                others += [took for name, took in found.items() if name != silo]
                await _until_served(calls[silo])
            stage.figures.add(
                CASE,
                OURS.name,
                {
                    f"p99 ms of the others, one {fault}": _p99(others),
                    f"p99 of the others, one {fault}, of that before": _p99(others) / _p99(before),
                    f"failed calls of the others, one {fault}": _failed(others),
                },
            )


def _failed(took: list[Took]) -> int:
    """Return how many calls failed, having said with which codes."""
    codes = sum((each.failed for each in took), Counter[str]())
    if codes:
        print(f"{CASE}: failed calls of the others: {dict(codes)}", flush=True)
    return codes.total()


def _p99(took: list[Took]) -> float:
    return share([each for one in took for each in one.milliseconds], 99)


async def _calls(mesh: Mesh, router: grpc.aio.Channel) -> dict[str, Call]:
    """Log a user of each silo in; return a read of each."""
    known = json.loads((mesh.data / "demonstration.json").read_text())
    hospital, agency = known["hospitals"][0]["id"], known["agencies"][0]["id"]
    asked: dict[str, tuple[Any, Any]] = {
        "hospital": (
            TransportRequestServiceStub(router).ListTransportRequests,
            trips.ListTransportRequestsRequest(hospital_id=hospital, page_size=10),
        ),
        "ems": (
            AvailableTripServiceStub(router).ListAvailableTrips,
            offers.ListAvailableTripsRequest(agency_id=agency, page_size=10),
        ),
        "center": (ServiceRegistryServiceStub(router).ListServices, services.ListServicesRequest()),
    }

    async def call(silo: str) -> Call:
        method, request = asked[silo]
        token = await _login(mesh, router, silo)
        metadata = (("authorization", f"Bearer {token}"),)
        return lambda: method(request, metadata=metadata, timeout=10)

    return {silo: await call(silo) for silo in SESSIONS}


async def _login(mesh: Mesh, router: grpc.aio.Channel, silo: str) -> str:
    passwords = json.loads((mesh.data / "passwords.json").read_text())
    beginning = f"{silo}/{USERS[silo]}"
    user = next(each for each in passwords if each.startswith(beginning))
    stub, messages = SESSIONS[silo]
    request = messages.CreateSessionRequest(email=user.partition("/")[2], password=passwords[user])
    answer = await stub(router).CreateSession(request, timeout=10)
    return str(answer.access_token)


async def _measured(calls: dict[str, Call], seconds: float) -> dict[str, Took]:
    """Call every silo at its rate, whatever becomes of the calls before."""
    took = {silo: Took() for silo in calls}
    begun, waiting = time.monotonic(), list[asyncio.Task[None]]()
    for number in range(int(seconds * PER_SECOND)):
        due = begun + number / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        waiting += [asyncio.create_task(_timed(calls[each], took[each], due)) for each in calls]
    await asyncio.gather(*waiting)
    return took


async def _timed(call: Call, took: Took, due: float) -> None:
    try:
        await call()
    except grpc.aio.AioRpcError as error:
        took.failed[f"{error.code().name} {error.details()}"] += 1
    took.milliseconds.append((time.monotonic() - due) * 1000)


@asynccontextmanager
async def _befallen(mesh: Mesh, silo: str, fault: str) -> AsyncIterator[None]:
    """Let a fault befall a silo while the block runs, half a second after it began."""

    async def befall() -> None:
        await asyncio.sleep(0.5)
        if fault == "killed":
            os.kill(mesh.pid(silo), signal.SIGKILL)
        elif fault == "restarted":
            await asyncio.to_thread(mesh.restart, silo)
        else:
            stopped = mesh.pid(silo)
            os.kill(stopped, signal.SIGSTOP)
            try:
                await asyncio.sleep(STOPPED_SECONDS)
            finally:
                os.kill(stopped, signal.SIGCONT)

    under_way = asyncio.create_task(befall())
    yield
    await under_way


async def _until_served(call: Call) -> None:
    while True:
        try:
            await call()
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.1)
        else:
            return
