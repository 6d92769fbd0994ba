"""Follows the hospitals' facilities: where trips begin and end."""

from __future__ import annotations

from medport.hospital.events.v1.facilities_pb2 import FacilityChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.messages import hospital_events
from ems_svc.repositories import facility_directory


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case FacilityChanged() as changed:
            await facility_directory.copy(uow, hospital_events.facility(changed))
