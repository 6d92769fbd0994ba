"""Follows hospitals being provisioned: a registered one is then active."""

from __future__ import annotations

from uuid import UUID

from medport.hospital.events.v1.hospitals_pb2 import HospitalProvisioned

from center_svc.repositories import services
from chassis.clock import instant
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case HospitalProvisioned() as hospital:
            service = await services.lock_tenant(uow, UUID(hospital.hospital_id))
            if service is not None:
                await services.save(uow, service.provisioned(instant(event.metadata.time)))
