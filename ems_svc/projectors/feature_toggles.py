"""Follows Center's feature toggles."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.feature_toggles_pb2 import FeatureToggleChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.repositories import center_copies


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case FeatureToggleChanged() as changed:
            await center_copies.copy_toggle(
                uow,
                feature_name=changed.feature_name,
                is_enabled=changed.is_enabled,
                target_users=[UUID(each) for each in changed.target_users],
                target_organizations=[UUID(each) for each in changed.target_organizations],
                rollout_percent=changed.rollout_percent,
                configuration=MessageToDict(changed.configuration),
                version=changed.version,
            )
