"""Center's administrator on the day: one agency is suspended in mid-work, and reinstated."""

from __future__ import annotations

import asyncio

from medport.center.v1 import services_pb2 as services
from medport.center.v1.services_pb2_grpc import ServiceRegistryServiceStub

from mesh.demo.callers import Caller, request_id
from mesh.demo.cast import AgencyPart
from mesh.demo.stage import Stage

_AWAY = 4.0


async def suspend_for_a_while(stage: Stage, admin: Caller, part: AgencyPart) -> None:
    """Suspend an agency: it bids on nothing new, and carries on what it has."""
    stub = ServiceRegistryServiceStub(stage.channel)
    suspend = services.SuspendServiceRequest(
        service_id=part.service_id, request_id=request_id(), reason="Demonstration"
    )
    if await admin.ask(stub.SuspendService, suspend, "SERVICE_NOT_ACTIVE"):
        stage.tally.seen["suspended agencies"] += 1
    await asyncio.sleep(_AWAY)
    await reinstate(stage, admin, part)


async def reinstate(stage: Stage, admin: Caller, part: AgencyPart) -> None:
    """Let an agency work again; one that a broken day left working is no obstacle."""
    stub = ServiceRegistryServiceStub(stage.channel)
    request = services.ReinstateServiceRequest(
        service_id=part.service_id, request_id=request_id(), reason="Demonstration"
    )
    await admin.ask(stub.ReinstateService, request, "SERVICE_NOT_SUSPENDED")
