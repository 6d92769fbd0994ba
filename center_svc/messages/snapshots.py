"""Rows as they stand, as the payloads of a snapshot: each about what its events are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from medport.center.events.v1 import feature_toggles_pb2 as toggles
from medport.center.events.v1 import notification_templates_pb2 as templates
from medport.center.events.v1 import services_pb2 as services
from medport.center.events.v1 import system_configurations_pb2 as configurations
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.domain.services import Service
from center_svc.domain.system_configurations import SystemConfiguration
from center_svc.messages import SILOS
from center_svc.messages.system_configurations import public_values
from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.wire import number


def service(value: Service) -> Announcement:
    payload = services.ServiceSnapshot(
        service_id=str(value.id),
        service_type=number(words.ServiceType, value.service_type),
        external_id=str(value.external_id),
        service_name=value.service_name,
        status=number(words.RegistryStatus, value.status),
        added_by=str(value.added_by),
        add_time=timestamp(value.added_at),
        registry_version=value.row_version,
    )
    return Announcement(
        event=payload,
        subject=f"services/{value.id}",
        subject_version=value.row_version,
        audience=[SILOS[value.service_type], "role:center_admin"],
    )


def configuration(value: SystemConfiguration) -> Announcement:
    payload = configurations.SystemConfigurationSnapshot(system_configuration=public_values(value))
    return _for_silos(payload, f"system_configurations/{value.id}", value.version)


def toggle(row: Mapping[str, Any]) -> Announcement:
    known = toggles.FeatureToggleChanged(
        feature_name=row["feature_name"],
        is_enabled=row["is_enabled"],
        target_users=map(str, row["target_users"]),
        target_organizations=map(str, row["target_organizations"]),
        rollout_percent=row["rollout_percent"],
        configuration=ParseDict(row["configuration"], Struct()),
        version=row["version"],
    )
    payload = toggles.FeatureToggleSnapshot(feature_toggle=known)
    return _for_silos(payload, f"feature_toggles/{row['id']}", row["version"])


def template(row: Mapping[str, Any]) -> Announcement:
    known = templates.NotificationTemplateChanged(
        template_name=row["template_name"],
        template_type=row["template_type"],
        subject=row["subject"] or "",
        content=row["content"],
        variables=row["variables"],
        is_active=row["is_active"],
        version=row["version"],
    )
    payload = templates.NotificationTemplateSnapshot(notification_template=known)
    return _for_silos(payload, f"notification_templates/{row['id']}", row["version"])


def _for_silos(payload: Message, subject: str, version: int) -> Announcement:
    return Announcement(
        event=payload,
        subject=subject,
        subject_version=version,
        audience=["silo:hospital", "silo:ems", "role:center_admin"],
    )
