"""What the center announces, in the past tense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from center_svc.domain.sla_timers import SlaKind
from chassis.vocabulary import ServiceType


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServiceEvent:
    service_id: UUID
    service_type: ServiceType
    external_id: UUID
    registry_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRegistered(_ServiceEvent):
    service_name: str
    configuration: dict[str, Any]
    added_by: UUID
    added_at: datetime
    invitation_hash: bytes
    invitation_expires_at: datetime


class ServiceSuspended(_ServiceEvent):
    """No new work for it; what runs finishes."""


class ServiceReinstated(_ServiceEvent):
    """It may work again."""


class ServiceRetired(_ServiceEvent):
    """It left for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaBreached:
    hospital_id: UUID
    transport_request_id: UUID
    hospital_version: int
    agency_id: UUID | None
    kind: SlaKind
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemConfigurationChanged:
    configuration_id: UUID
    key: str
    value_type: str
    value: Any  # JSON
    is_active: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureToggleChanged:
    feature_toggle_id: UUID
    feature_name: str
    is_enabled: bool
    target_users: Sequence[UUID]
    target_organizations: Sequence[UUID]
    rollout_percent: int
    configuration: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationTemplateChanged:
    notification_template_id: UUID
    template_name: str
    template_type: str
    subject: str | None
    content: str
    variables: Sequence[str]
    is_active: bool
    version: int
    is_deleted: bool


Event = (
    ServiceRegistered
    | ServiceSuspended
    | ServiceReinstated
    | ServiceRetired
    | SlaBreached
    | SystemConfigurationChanged
    | FeatureToggleChanged
    | NotificationTemplateChanged
)
