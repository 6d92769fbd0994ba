"""Follows the EMS silo's agencies, and keeps the directory that awards look at."""

from __future__ import annotations

from medport.ems.events.v1.agencies_pb2 import AgencySnapshot, AgencyUpdated

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from hospital_svc.messages.agency_preferences import announced_agency
from hospital_svc.repositories import agency_directory


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case AgencyUpdated() as agency:
            await agency_directory.put(uow, announced_agency(agency))
        case AgencySnapshot() as snapshot:
            await agency_directory.put(uow, announced_agency(snapshot.agency))
