"""The three silos behind a router that joins them, each on a path that fails on command.

They follow nobody: a test tells each its part of a trip. They know each other's keys.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import jwt
import psycopg
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.assignments_pb2 import UnitAssigned
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.router.v1 import trip_overviews_pb2 as pb
from medport.router.v1.trip_overviews_pb2_grpc import TripOverviewServiceStub

from center_svc.bootstrap import make_admin
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.unit_of_work import Database
from router.routes import read_descriptors
from router.server import Router
from tests.support import center_events
from tests.support.center_silo import ADMIN, Center
from tests.support.databases import superuser_of
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.fault_proxy import FaultProxy, in_front_of
from tests.support.front_desk import PASSWORD, database_on, hashed
from tests.support.hospital_news import Trip
from tests.support.hospital_silo import HospitalSilo
from tests.support.hospital_trips import Ward, ward
from tests.support.routed_mesh import router_settings, routing
from tests.support.silos import Keys, running
from tests.support.waiting import until

if TYPE_CHECKING:
    from medport.router.v1.trip_overviews_pb2_grpc import TripOverviewServiceAsyncStub

SILOS = ("hospital", "ems", "center")
Metadata = tuple[tuple[str, str], ...]
Missing = dict[str, tuple[int, str]]  # cause and reason by the name of a silo

_PUBLISHED = "SELECT key_name, algorithm, public_key, not_before_at, not_after_at FROM signing_key"
_TRUST = """
INSERT INTO trusted_key (silo, key_name, algorithm, public_key, not_before_at, not_after_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_EMAIL = "SELECT email FROM login_email WHERE user_id = %s"


@dataclass
class Joined:
    """The silos, the ways to them, and the router that stands before them."""

    hospital: HospitalSilo
    ems: EmsSilo
    center: Center
    channels: Mapping[str, grpc.aio.Channel]
    ways: Mapping[str, FaultProxy]
    router: Router
    overviews: TripOverviewServiceAsyncStub

    async def tokens(self, silo: str, caller: Metadata) -> Metadata:
        """Log the user in again, and renew its session for each of the other silos."""
        bearer = dict(caller)["authorization"].partition(" ")[2]
        user = jwt.decode(bearer, options={"verify_signature": False})["sub"]
        dsn = {"hospital": self.hospital.dsn, "ems": self.ems.dsn, "center": self.center.dsn}[silo]
        ((email,),) = sql(dsn, _EMAIL, user)
        words_of: Any = importlib.import_module(f"medport.{silo}.v1.sessions_pb2")
        rpc: Any = importlib.import_module(f"medport.{silo}.v1.sessions_pb2_grpc")
        sessions = rpc.SessionServiceStub(self.channels[silo])
        login = words_of.CreateSessionRequest(email=email, password=PASSWORD)
        session = await sessions.CreateSession(login, timeout=20)
        given = [("authorization", f"Bearer {session.access_token}")]
        for other in SILOS:
            if other == silo:
                continue
            audience = words.Silo.Value(f"SILO_{other.upper()}")
            renewal = words_of.RefreshSessionRequest(
                refresh_token=session.refresh_token, audience=audience
            )
            session = await sessions.RefreshSession(renewal)
            given.append((f"authorization-{other}", f"Bearer {session.access_token}"))
        return tuple(given)


def sql(dsn: str, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(superuser_of(dsn), autocommit=True) as admin:
        cursor = admin.execute(text.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


@dataclass
class Carried:
    """One trip that all three silos know."""

    ward: Ward
    run: Run
    trip: trips.TransportRequest
    unit_id: str


@asynccontextmanager
async def joined(dsns: Mapping[str, str], cache: Path) -> AsyncIterator[Joined]:
    async with AsyncExitStack() as stack:
        keys, channels, ways = Keys(), {}, {}
        await make_admin(dsns["center"], ADMIN, PASSWORD)
        for silo in SILOS:
            process, channels[silo] = await stack.enter_async_context(
                running(silo, dsns[silo], keys)
            )
            ways[silo] = await stack.enter_async_context(in_front_of(process.port))
        await until(partial(_have_keys, dsns), 60)
        _introduce(dsns)
        addresses = {silo: f"127.0.0.1:{way.listening}" for silo, way in ways.items()}
        image = read_descriptors(Path("build/medport.binpb"))
        router, routed = await stack.enter_async_context(
            routing(router_settings(addresses, cache), image)
        )
        own = await stack.enter_async_context(database_on(dsns["hospital"]))
        connections = await stack.enter_async_context(pool(dsns["ems"]))
        await connections.wait()
        envelope = Envelope(EmsEvent, "/medport/ems")
        theirs = Database(connections, envelope, tenant_column="agency_id")
        yield Joined(
            HospitalSilo(channels["hospital"], dsns["hospital"], own, {}, hashed()),
            EmsSilo(channels["ems"], dsns["ems"], theirs, hashed()),
            Center(channels["center"], dsns["center"], {}),
            channels,
            ways,
            router,
            TripOverviewServiceStub(routed),
        )


async def carried(silos: Joined) -> Carried:
    """Let a hospital's trip be awarded to an agency that has booked a unit; tell all silos."""
    asking, carrying = await ward(silos.hospital), await run(silos.ems)
    asking.agency_id = carrying.agency.id
    trip = await asking.accepted()
    carrying.trip = Trip(hospital_id=trip.hospital_id, id=trip.id)
    job = await carrying.won()
    unit = await carrying.agency.add_unit()
    await carrying.assign(job, unit.id)
    booked = UnitAssigned(job=asking.job(trip), unit_id=unit.id, unit_number=unit.unit_number)
    await silos.hospital.hear(booked)
    await tell_center(silos, trip, asking)
    return Carried(asking, carrying, await asking.get(trip.id), unit.id)


def missing(answer: Any) -> Missing:
    """Return cause and reason by the name of each silo that told nothing, or not all."""
    return {
        words.Silo.Name(each.silo).removeprefix("SILO_").lower(): (each.cause, each.reason)
        for each in answer.unanswered_silos
    }


def told(overview: pb.TripOverview) -> set[str]:
    """Return what an overview holds, beside its key."""
    return {field.name for field, _ in overview.ListFields()} - {
        "hospital_id",
        "transport_request_id",
    }


async def tell_center(silos: Joined, trip: trips.TransportRequest, asking: Ward) -> None:
    story = center_events.Story(hospital_id=silos.hospital.hospital_id, agency_id=asking.agency_id)
    story.trip_id = type(story.trip_id)(trip.id)
    story.requested()
    story.bid(4)
    story.awarded(6)
    async with center_events.database_on(silos.center.dsn) as database:
        await center_events.apply(database, story.sent)


async def _have_keys(dsns: Mapping[str, str]) -> bool:
    return all(sql(dsn, _PUBLISHED) for dsn in dsns.values())


def _introduce(dsns: Mapping[str, str]) -> None:
    """Let each silo trust the others' signing keys, as if it had followed them."""
    for silo, dsn in dsns.items():
        for key in sql(dsn, _PUBLISHED):
            for other in SILOS:
                if other != silo:
                    sql(dsns[other], _TRUST, silo.upper(), *key)
