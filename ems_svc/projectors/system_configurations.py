"""Follows Center's configuration; the last good copy survives Center being away."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.system_configurations_pb2 import (
    SystemConfigurationChanged,
    SystemConfigurationSnapshot,
)

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.repositories.center_copies import SYSTEM_CONFIGURATIONS


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case SystemConfigurationChanged() as changed:
            await SYSTEM_CONFIGURATIONS.keep(uow, **_row(changed))


async def overwrite(uow: UnitOfWork, event: Received) -> str | None:
    """Take one row as Center now shows it; return what it is noted under."""
    match event.payload:
        case SystemConfigurationSnapshot() as shown:
            return await SYSTEM_CONFIGURATIONS.overwrite(uow, **_row(shown.system_configuration))
    return None


def _row(given: SystemConfigurationChanged) -> dict[str, Any]:
    return {
        "key": given.key,
        "value_type": given.value_type,
        "value": MessageToDict(given.value),
        "is_active": given.is_active,
        "version": given.version,
    }
