"""Every method of every silo answers the same, asked directly or through the router.

Each is called with nothing in it, by everybody: without a token, with a bad one, and as each
kind of user of the other silos. So both checks of access decide alike, for every method and role.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2, status_pb2

from chassis.channels import channel as channel_to
from chassis.server import Process
from chassis.settings import SiloSettings
from router.routes import SILOS, Route, read_descriptors, routes_of
from tests.support.colleagues import a_key, a_user, bearing, introduce
from tests.support.databases import superuser_of
from tests.support.front_desk import SECRET, pem
from tests.support.routed_mesh import router_settings, routing
from tests.support.waiting import until

IMAGE = read_descriptors(Path("build/medport.binpb"))
ROUTES = routes_of(IMAGE).values()
ROLES = {
    "hospital": ("HOSPITAL_STAFF", "HOSPITAL_CASE_MANAGER", "HOSPITAL_ADMIN"),
    "ems": ("EMS_DISPATCHER", "EMS_CREW", "EMS_BILLING", "EMS_ADMIN"),
    "center": ("CENTER_COORDINATOR", "CENTER_ADMIN"),
}
Metadata = tuple[tuple[str, str], ...]


@dataclass
class Doors:
    """Two ways to one silo, and who knocks."""

    direct: grpc.aio.Channel
    routed: grpc.aio.Channel
    callers: dict[str, Metadata]


@pytest.fixture(params=SILOS)
def silo(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def doors(silo: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Doors]:
    dsn = request.getfixturevalue(f"{silo}_database")
    callers: dict[str, Metadata] = {
        "nobody": (),
        "somebody": (("authorization", "Bearer a.b.c"),),
        "two": (("authorization", "Bearer a"), ("authorization", "Bearer b")),
    }
    for other in SILOS:
        key = a_key(other)
        if other != silo:  # whose own users would have to have a session
            introduce(key, dsn, tmp_path)
            callers |= {role: bearing(key, a_user(other, role), silo) for role in ROLES[other]}
            callers["elsewhere"] = bearing(key, a_user(other, ROLES[other][0]), other)
    async with served(silo, dsn) as address:
        others = dict.fromkeys(SILOS, "127.0.0.1:1") | {silo: address}
        async with (
            routing(router_settings(others, tmp_path), IMAGE) as (router, routed),
            channel_to(address) as direct,
        ):
            await until(lambda: is_serving(router.monitors[silo]))
            yield Doors(direct, routed, callers)


async def is_serving(monitor: Any) -> bool:
    return bool(monitor.seen.serving)


@asynccontextmanager
async def served(silo: str, dsn: str) -> AsyncIterator[str]:
    settings = SiloSettings(
        listen="127.0.0.1:0",
        database=dsn,
        peers={other: "127.0.0.1:1" for other in SILOS if other != silo},
        identity_key=pem(),
        peer_keys={},
        key_encryption_key=SECRET,
        reflection="off",
        log_level="WARNING",
    )
    process = Process(importlib.import_module(f"{silo}_svc.server").BUILD, settings)
    await process.start()
    try:
        yield f"127.0.0.1:{process.port}"
    finally:
        await process.stop(grace=0)


@dataclass(frozen=True)
class Answer:
    code: grpc.StatusCode
    text: str
    reason: tuple[str, str] | None
    violations: tuple[str, ...]
    served_by: str = field(compare=False)


async def ask(channel: grpc.aio.Channel, route: Route, metadata: Metadata) -> Answer:
    """Call ``route`` with an empty request; return what a client can tell of the refusal."""
    method = route.method
    reads, writes = method.streams_requests, method.streams_answers
    shape = f"{'stream' if reads else 'unary'}_{'stream' if writes else 'unary'}"
    start: Any = getattr(channel, shape)(route.path)
    call = start(iter([b""]) if reads else b"", metadata=metadata, timeout=10)
    with suppress(grpc.aio.AioRpcError):
        if writes:
            await call.read()
            call.cancel()
        else:
            await call
    trailers = dict(await call.trailing_metadata() or ())
    details = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b"")).details
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for each in details:
        each.Unpack(info)
        each.Unpack(bad)
    assert len([each for each in trailers if each == "x-request-id"]) == 1 or writes
    return Answer(
        code=await call.code(),
        text=await call.details(),
        reason=(info.domain, info.reason) if info.reason else None,
        violations=tuple(each.field for each in bad.field_violations),
        served_by=str(trailers.get("x-medport-served-by", "")),
    )


async def settled(channel: grpc.aio.Channel, route: Route, metadata: Metadata) -> Answer:
    """Ask again what a busy machine has kept from an answer, a few times at the most."""
    for _ in range(3):
        answer = await ask(channel, route, metadata)
        if answer.code is not grpc.StatusCode.UNAVAILABLE:
            break
    return answer


async def test_every_method_answers_everybody_alike(silo: str, doors: Doors) -> None:
    differences = []
    for route in (each for each in ROUTES if each.silo == silo):
        for caller, metadata in doors.callers.items():
            direct = await settled(doors.direct, route, metadata)
            routed = await settled(doors.routed, route, metadata)
            if direct != routed:
                differences.append((route.path, caller, direct, routed))
    assert not differences


async def test_the_router_lets_in_whom_the_contract_names(silo: str, doors: Doors) -> None:
    wrong = []
    for route in (each for each in ROUTES if each.silo == silo):
        for caller, metadata in doors.callers.items():
            answer, refusal = await ask(doors.routed, route, metadata), expected(route, caller)
            # Let in, it is the silo's turn, which may refuse for the rows that the request names.
            asked_silo = answer.served_by != "router"
            if asked_silo is (refusal is not None) or refusal not in {None, answer.code}:
                wrong.append((route.path, caller, answer))
    assert not wrong


@pytest.mark.parametrize("silo", ["ems"], indirect=True)
@pytest.mark.parametrize("method", ["UnitService/CreateUnit", "UnitService/ReportLocation"])
async def test_what_the_router_refuses_for_a_role_is_in_the_silos_trail(
    doors: Doors, method: str, ems_database: str
) -> None:
    (route,) = (each for each in ROUTES if each.path == f"/medport.ems.v1.{method}")

    answer = await ask(doors.routed, route, doors.callers["HOSPITAL_STAFF"])

    assert (answer.code, answer.served_by) == (grpc.StatusCode.PERMISSION_DENIED, "router")
    with psycopg.connect(superuser_of(ems_database)) as connection:
        trail = connection.execute("SELECT action, outcome FROM audit_entry").fetchall()
    assert trail == [(method.partition("/")[2], "DENIED")]


def expected(route: Route, caller: str) -> grpc.StatusCode | None:
    """Return the refusal that the contract demands, None for who is let in."""
    if route.method.anonymous:
        return None
    if caller in {"nobody", "somebody", "two", "elsewhere"}:
        return grpc.StatusCode.UNAUTHENTICATED
    granted = any(caller in grant.roles and not grant.permission for grant in route.method.grants)
    return None if granted else grpc.StatusCode.PERMISSION_DENIED
