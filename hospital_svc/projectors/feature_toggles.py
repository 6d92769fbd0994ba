"""Follows Center's feature toggles; the last good copy survives Center being away."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.feature_toggles_pb2 import FeatureToggleChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from hospital_svc.repositories import center_copies


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case FeatureToggleChanged() as toggle:
            row = {
                "feature_name": toggle.feature_name,
                "is_enabled": toggle.is_enabled,
                "target_users": [UUID(each) for each in toggle.target_users],
                "target_organizations": [UUID(each) for each in toggle.target_organizations],
                "rollout_percent": toggle.rollout_percent,
                "configuration": MessageToDict(toggle.configuration),
                "version": toggle.version,
            }
            await center_copies.put(uow, center_copies.FEATURE_TOGGLE, row)
