"""A little load on a running mesh: callers of every silo, patient through whatever is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
from google.protobuf.struct_pb2 import Value
from medport.center.v1 import system_configurations_pb2 as configurations
from medport.center.v1.system_configurations_pb2_grpc import ConfigurationServiceStub
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import units_pb2 as units
from medport.ems.v1.units_pb2_grpc import UnitServiceStub
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from chassis.channels import channel
from chassis.clock import timestamp
from mesh.demo.admission import Admission
from mesh.demo.callers import request_id
from mesh.demo.cast import Cast
from mesh.demo.tally import Tally
from mesh.passwords import CENTER_ADMIN
from mesh.state import DataDirectory

PACE_SECONDS = 0.15


@dataclass
class Load:
    """A little of everything that makes the three silos announce something."""

    data: DataDirectory
    parts: Cast
    router: grpc.aio.Channel
    tally: Tally = field(default_factory=Tally)

    def work(self) -> list[Callable[[], Awaitable[None]]]:
        admission = Admission(self.data, self.router, self.tally)
        hospital, agency = self.parts.hospitals[0], self.parts.agencies[0]
        self.manager = admission.caller("hospital", hospital.manager)
        self.dispatcher = admission.caller("ems", agency.dispatcher)
        self.admin = admission.caller("center", CENTER_ADMIN)
        return [self.ask_and_cancel, self.rest_and_return, self.configure]

    async def ask_and_cancel(self) -> None:
        stub, hospital = TransportRequestServiceStub(self.router), self.parts.hospitals[0]
        asked = trips.CreateTransportRequestRequest(
            hospital_id=hospital.id, transport_request=a_trip(self.parts), request_id=request_id()
        )
        trip = (await self.manager.demand(stub.CreateTransportRequest, asked)).transport_request
        cancel = trips.CancelTransportRequestRequest(
            hospital_id=hospital.id,
            transport_request_id=trip.id,
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            request_id=request_id(),
        )
        await self.manager.demand(stub.CancelTransportRequest, cancel)

    async def rest_and_return(self) -> None:
        stub, agency = UnitServiceStub(self.router), self.parts.agencies[0]
        for status in (words.UNIT_STATUS_ON_BREAK, words.UNIT_STATUS_AVAILABLE):
            request = units.SetUnitStatusRequest(
                agency_id=agency.id,
                unit_id=agency.crew_unit,
                status=status,
                request_id=request_id(),
            )
            await self.dispatcher.demand(stub.SetUnitStatus, request)

    async def configure(self) -> None:
        request = configurations.SetConfigurationRequest(
            key="routing.road_factor", value=Value(string_value="1.3"), request_id=request_id()
        )
        await self.admin.demand(ConfigurationServiceStub(self.router).SetConfiguration, request)


def a_trip(parts: Cast) -> trips.TransportRequest:
    origin, destination = (next(iter(part.facilities.values())) for part in parts.hospitals[:2])
    now = datetime.now(UTC)
    return trips.TransportRequest(
        patient_id=f"MRN-{uuid4().hex[:12]}",
        origin_facility_id=origin,
        destination_facility_id=destination,
        transport_level=words.TRANSPORT_LEVEL_BLS,
        priority=words.PRIORITY_LOW,
        age_band=words.AGE_BAND_ADULT,
        weight_band=words.WEIGHT_BAND_UNDER_300_LB,
        ready_time=timestamp(now),
        latest_pickup_time=timestamp(now + timedelta(hours=6)),
        offer_mode=words.OFFER_MODE_BROADCAST,
    )


@asynccontextmanager
async def under_load(data: DataDirectory, parts: Cast) -> AsyncIterator[Tally]:
    """Keep callers calling, each to the end of what it has begun; all of them must succeed."""
    stopping = asyncio.Event()

    async def repeat(work: Callable[[], Awaitable[None]]) -> None:
        while not stopping.is_set():
            await work()
            await asyncio.sleep(PACE_SECONDS)

    async with (
        channel(f"127.0.0.1:{data.running().ports['router']}") as router,
        asyncio.TaskGroup() as callers,
    ):
        load = Load(data, parts, router)
        for work in load.work():
            callers.create_task(repeat(work))
        yield load.tally
        stopping.set()
