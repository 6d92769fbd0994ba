"""Configuration, between values and protobuf."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from medport.center.events.v1 import system_configurations_pb2 as events
from medport.center.v1 import system_configurations_pb2 as pb

from center_svc.domain.events import SystemConfigurationChanged
from center_svc.domain.system_configurations import ConfigurationVersion, SystemConfiguration
from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.wire import number


def system_configuration(value: SystemConfiguration) -> pb.SystemConfiguration:
    return pb.SystemConfiguration(
        id=str(value.id),
        key=value.key,
        value_type=number(pb.ConfigurationValueType, value.value_type),
        value=ParseDict(value.value, Value()),
        description=value.description,
        category=value.category,
        is_active=value.is_active,
        version=value.version,
        updated_by=str(value.updated_by),
        update_time=timestamp(value.updated_at),
        etag=value.etag,
    )


def configuration_version(of: ConfigurationVersion) -> pb.ConfigurationVersion:
    return pb.ConfigurationVersion(
        version=of.version,
        value=ParseDict(of.value, Value()),
        is_active=of.is_active,
        updated_by=str(of.updated_by),
        update_time=timestamp(of.updated_at),
    )


def public_values(
    of: SystemConfigurationChanged | SystemConfiguration,
) -> events.SystemConfigurationChanged:
    return events.SystemConfigurationChanged(
        key=of.key,
        value_type=of.value_type,
        value=ParseDict(of.value, Value()),
        is_active=of.is_active,
        version=of.version,
    )


def configuration_changed(event: SystemConfigurationChanged) -> Announcement:
    return Announcement(
        event=public_values(event),
        subject=f"system_configurations/{event.configuration_id}",
        subject_version=event.version,
        audience=["silo:hospital", "silo:ems", "role:center_admin"],
    )
