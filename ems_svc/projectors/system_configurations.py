"""Follows what Center configures."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.system_configurations_pb2 import SystemConfigurationChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.repositories import center_copies


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case SystemConfigurationChanged() as changed:
            await center_copies.copy_configuration(
                uow,
                key=changed.key,
                value_type=changed.value_type,
                value=MessageToDict(changed.value),
                is_active=changed.is_active,
                version=changed.version,
            )
