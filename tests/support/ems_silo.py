"""The EMS silo as it runs, the other silos' news, and agencies with people, units and areas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import psycopg
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from medport.common.v1 import vocabulary_pb2 as words
from medport.common.v1.event_log_pb2 import EventMetadata, EventPlacement
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.ems.v1 import (
    agencies_pb2_grpc,
    assignments_pb2_grpc,
    available_trips_pb2_grpc,
    routes_pb2_grpc,
    service_areas_pb2,
    service_areas_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
    transport_bids_pb2_grpc,
    unit_availability_pb2_grpc,
    units_pb2,
    units_pb2_grpc,
)

from chassis.channels import CHANNEL
from chassis.clock import timestamp, utc_now
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.projection import Received
from chassis.server import Process
from chassis.unit_of_work import Database
from ems_svc.server import BUILD, followings
from tests.support.clinic import settings
from tests.support.databases import superuser_of
from tests.support.front_desk import PASSWORD, SECRET, bearer, hashed, pem
from tests.support.hospital_news import an_agency
from tests.support.waiting import until

if TYPE_CHECKING:
    from medport.ems.v1.agencies_pb2_grpc import AgencyServiceAsyncStub
    from medport.ems.v1.assignments_pb2_grpc import AssignmentServiceAsyncStub
    from medport.ems.v1.available_trips_pb2_grpc import AvailableTripServiceAsyncStub
    from medport.ems.v1.routes_pb2_grpc import RouteServiceAsyncStub
    from medport.ems.v1.service_areas_pb2_grpc import ServiceAreaServiceAsyncStub
    from medport.ems.v1.transport_bids_pb2_grpc import BidServiceAsyncStub
    from medport.ems.v1.unit_availability_pb2_grpc import UnitAvailabilityServiceAsyncStub
    from medport.ems.v1.units_pb2_grpc import UnitServiceAsyncStub

NOWHERE = "127.0.0.1:1"  # nobody listens: the other silos are away
ALTOONA = {"latitude": 40.514, "longitude": -78.401}
PITTSBURGH = {"latitude": 40.443, "longitude": -79.961}

Metadata = tuple[tuple[str, str], ...]

_USER = """
INSERT INTO ems_agency_user (agency_id, id, email, password_hash, name, role, unit_id)
VALUES (%s, %s, %s, %s, 'Somebody', %s, %s)
"""
_LOGIN = "INSERT INTO login_email (email, agency_id, user_id) VALUES (%s, %s, %s)"
_EVENTS = """
SELECT type, subject, subject_version, data FROM (
  SELECT position, type, subject, subject_version, data FROM event_log UNION ALL
  SELECT 1000000 + id, type, subject, subject_version, data FROM outbox) AS all_of_them
WHERE subject LIKE %s ORDER BY position
"""


@dataclass
class EmsSilo:
    """What a test asks: stubs, the other silos' news, and the database as the superuser."""

    channel: grpc.aio.Channel
    dsn: str
    database: Database
    password_hash: str  # made once: it is meant to take long
    agencies: AgencyServiceAsyncStub = field(init=False)
    areas: ServiceAreaServiceAsyncStub = field(init=False)
    units: UnitServiceAsyncStub = field(init=False)
    routes: RouteServiceAsyncStub = field(init=False)
    shifts: UnitAvailabilityServiceAsyncStub = field(init=False)
    trips: AvailableTripServiceAsyncStub = field(init=False)
    bids: BidServiceAsyncStub = field(init=False)
    jobs: AssignmentServiceAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.agencies = agencies_pb2_grpc.AgencyServiceStub(self.channel)
        self.areas = service_areas_pb2_grpc.ServiceAreaServiceStub(self.channel)
        self.routes = routes_pb2_grpc.RouteServiceStub(self.channel)
        self.units = units_pb2_grpc.UnitServiceStub(self.channel)
        self.shifts = unit_availability_pb2_grpc.UnitAvailabilityServiceStub(self.channel)
        self.trips = available_trips_pb2_grpc.AvailableTripServiceStub(self.channel)
        self.bids = transport_bids_pb2_grpc.BidServiceStub(self.channel)
        self.jobs = assignments_pb2_grpc.AssignmentServiceStub(self.channel)

    async def hear(self, *payloads: Message) -> None:
        """Apply events of the other silos, in one transaction, as their followers would."""
        projects = [project for each in followings(utc_now) for project in each.projects]
        async with self.database.begin(None) as uow:
            for payload in payloads:
                metadata = EventMetadata(id=str(uuid4()), time=timestamp(utc_now()))
                for project in projects:
                    await project(uow, Received(payload, metadata, EventPlacement(position=1)))

    async def login(self, agency_id: UUID, role: str, unit_id: str | None = None) -> Metadata:
        user_id = uuid4()
        email = f"u{user_id.hex}@swift.example"
        self.sql(_USER, agency_id, user_id, email, self.password_hash, role, unit_id)
        self.sql(_LOGIN, email, agency_id, user_id)
        sessions = sessions_pb2_grpc.SessionServiceStub(self.channel)
        request = sessions_pb2.CreateSessionRequest(email=email, password=PASSWORD)
        return bearer((await sessions.CreateSession(request, timeout=20)).access_token)

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(superuser_of(self.dsn), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def payloads(self, subject: str = "%") -> list[Any]:
        """Return what was announced about ``subject``, in the log's order."""
        events = [EmsEvent.FromString(row[3]) for row in self.sql(_EVENTS, subject)]
        return [getattr(event, event.WhichOneof("payload") or "") for event in events]

    def kinds(self, subject: str = "%") -> list[str]:
        """Return the types of what was announced, but for the audit."""
        found = (type(each).__name__ for each in self.payloads(subject))
        return [kind for kind in found if kind != "AccessAudited"]

    def versions(self, subject: str) -> list[int]:
        return [row[2] for row in self.sql(_EVENTS, subject)]

    async def agency(self, name: str = "Swift", **changes: Any) -> Agency:
        """Register an agency as Center does, with a dispatcher and an area around its base."""
        event = an_agency(name)
        await self.hear(event)
        id = UUID(event.external_id)
        made = Agency(self, id, await self.login(id, "DISPATCHER"), await self.login(id, "ADMIN"))
        if changes.get("radius_miles", 60):
            await made.add_area(radius_miles=changes.get("radius_miles", 60))
        return made


@dataclass
class Agency:
    """One agency: what a test does in its name."""

    silo: EmsSilo
    id: UUID
    dispatcher: Metadata
    admin: Metadata

    @property
    def own(self) -> dict[str, str]:
        """Who asks, and under which request id: the fields of every command."""
        return {"agency_id": str(self.id), "request_id": str(uuid4())}

    async def add_area(self, radius_miles: float = 60, **changes: Any) -> str:
        known: dict[str, Any] = {"name": "Base", "center": ALTOONA, "radius_miles": radius_miles}
        area = service_areas_pb2.ServiceArea(**(known | changes))
        request = service_areas_pb2.CreateServiceAreaRequest(service_area=area, **self.own)
        return (
            await self.silo.areas.CreateServiceArea(request, metadata=self.admin)
        ).service_area.id

    async def add_unit(self, **changes: Any) -> units_pb2.Unit:
        known: dict[str, Any] = {
            "unit_number": f"M{uuid4().hex[:6]}",
            "type": words.UNIT_TYPE_ALS,
            "crew_level": words.TRANSPORT_LEVEL_ALS,
            "capabilities": [words.CAPABILITY_OXYGEN, words.CAPABILITY_CARDIAC_MONITOR],
        }
        request = units_pb2.CreateUnitRequest(unit=units_pb2.Unit(**(known | changes)), **self.own)
        return (await self.silo.units.CreateUnit(request, metadata=self.dispatcher)).unit


@asynccontextmanager
async def ems_silo(dsn: str) -> AsyncIterator[EmsSilo]:
    """Run the silo on ``dsn``, with the other silos away."""
    async with ems_process(dsn) as (_, opened):
        yield opened


@asynccontextmanager
async def ems_process(dsn: str) -> AsyncIterator[tuple[Process, EmsSilo]]:
    """Run the silo as ``ems_silo`` does, for a test that stops it."""
    given = replace(
        settings(dsn),
        identity_key=pem(),
        key_encryption_key=SECRET,
        peers={"hospital": NOWHERE, "center": NOWHERE},
    )
    process = Process(BUILD, given)
    await process.start()
    try:
        address = f"127.0.0.1:{process.port}"
        async with grpc.aio.insecure_channel(address, CHANNEL) as channel, pool(dsn) as own:
            await until(partial(_is_serving, channel))
            envelope = Envelope(EmsEvent, "/medport/ems")
            database = Database(own, envelope, tenant_column="agency_id")
            yield process, EmsSilo(channel, dsn, database, hashed())
    finally:
        await process.stop(grace=0)


async def _is_serving(channel: grpc.aio.Channel) -> bool:
    answer = await HealthStub(channel).Check(HealthCheckRequest())
    return bool(answer.status == HealthCheckResponse.SERVING)


async def outcomes(*calls: Any) -> list[Any]:
    """Run calls together; return answers and refusals."""
    return await asyncio.gather(*calls, return_exceptions=True)
