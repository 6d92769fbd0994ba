"""Follows Center's feature toggles; the last good copy survives Center being away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.feature_toggles_pb2 import (
    FeatureToggleChanged,
    FeatureToggleSnapshot,
)

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.repositories.center_copies import FEATURE_TOGGLES


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case FeatureToggleChanged() as changed:
            await FEATURE_TOGGLES.keep(uow, **_row(changed))


async def overwrite(uow: UnitOfWork, event: Received) -> str | None:
    """Take one row as Center now shows it; return what it is noted under."""
    match event.payload:
        case FeatureToggleSnapshot() as shown:
            return await FEATURE_TOGGLES.overwrite(uow, **_row(shown.feature_toggle))
    return None


def _row(given: FeatureToggleChanged) -> dict[str, Any]:
    return {
        "feature_name": given.feature_name,
        "is_enabled": given.is_enabled,
        "target_users": [UUID(each) for each in given.target_users],
        "target_organizations": [UUID(each) for each in given.target_organizations],
        "rollout_percent": given.rollout_percent,
        "configuration": MessageToDict(given.configuration),
        "version": given.version,
    }
