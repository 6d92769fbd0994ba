"""Rows as they stand, as the payloads of a snapshot: each about what its events are about."""

from __future__ import annotations

from google.protobuf.message import Message
from medport.center.events.v1 import feature_toggles_pb2 as toggles
from medport.center.events.v1 import notification_templates_pb2 as templates
from medport.center.events.v1 import services_pb2 as services
from medport.center.events.v1 import system_configurations_pb2 as configurations
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.domain.feature_toggles import FeatureToggle
from center_svc.domain.notification_templates import NotificationTemplate
from center_svc.domain.services import Service
from center_svc.domain.system_configurations import SystemConfiguration
from center_svc.messages import SILOS
from center_svc.messages.feature_toggles import public_values as toggle_values
from center_svc.messages.notification_templates import public_values as template_values
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


def toggle(value: FeatureToggle) -> Announcement:
    payload = toggles.FeatureToggleSnapshot(feature_toggle=toggle_values(value))
    return _for_silos(payload, f"feature_toggles/{value.id}", value.version)


def template(value: NotificationTemplate) -> Announcement:
    payload = templates.NotificationTemplateSnapshot(notification_template=template_values(value))
    return _for_silos(payload, f"notification_templates/{value.id}", value.version)


def _for_silos(payload: Message, subject: str, version: int) -> Announcement:
    return Announcement(
        event=payload,
        subject=subject,
        subject_version=version,
        audience=["silo:hospital", "silo:ems", "role:center_admin"],
    )
