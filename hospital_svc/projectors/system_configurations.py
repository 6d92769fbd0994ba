"""Follows Center's configuration; the last good copy survives Center being away."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.system_configurations_pb2 import SystemConfigurationChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from hospital_svc.repositories import center_copies


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case SystemConfigurationChanged() as setting:
            row = {
                "key": setting.key,
                "value_type": setting.value_type,
                "value": MessageToDict(setting.value),
                "is_active": setting.is_active,
                "version": setting.version,
            }
            await center_copies.put(uow, center_copies.SYSTEM_CONFIGURATION, row)
