"""Between values and protobuf: the silo's only translation table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToDict, ParseDict
from medport.center.events.v1 import services_pb2 as service_events
from medport.center.events.v1 import sla_timers_pb2 as sla_events
from medport.center.v1 import services_pb2
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.domain.events import (
    Event,
    FeatureToggleChanged,
    NotificationTemplateChanged,
    ServiceRegistered,
    ServiceReinstated,
    ServiceRetired,
    ServiceSuspended,
    SlaBreached,
    SystemConfigurationChanged,
)
from center_svc.domain.services import Service, register
from center_svc.messages.feature_toggles import toggle_changed
from center_svc.messages.notification_templates import template_changed
from center_svc.messages.system_configurations import configuration_changed
from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.vocabulary import ServiceType
from chassis.wire import member, number

SILOS = {ServiceType.HOSPITAL: "silo:hospital", ServiceType.EMS_AGENCY: "silo:ems"}


def text(id: UUID | None) -> str:
    return "" if id is None else str(id)


def registration(
    given: services_pb2.RegisterServiceRequest,
    *,
    id: UUID,
    external_id: UUID,
    by: UUID,
    at: datetime,
) -> Service:
    return register(
        id=id,
        external_id=external_id,
        service_name=given.service_name,
        service_type=member(ServiceType, words.ServiceType, given.service_type),
        configuration=MessageToDict(given.configuration, preserving_proto_field_name=True),
        metadata=dict(given.metadata),
        by=by,
        at=at,
    )


def service(value: Service) -> services_pb2.ServiceRegistry:
    return services_pb2.ServiceRegistry(
        id=str(value.id),
        external_id=str(value.external_id),
        service_name=value.service_name,
        service_type=number(words.ServiceType, value.service_type),
        status=number(words.RegistryStatus, value.status),
        awaits_approval=value.awaits_approval,
        added_by=str(value.added_by),
        add_time=timestamp(value.added_at),
        provision_time=timestamp(value.provisioned_at),
        configuration=ParseDict(value.configuration, services_pb2.ServiceConfiguration()),
        metadata=value.metadata,
        registry_version=value.row_version,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=value.etag,
    )


def announcement(event: Event) -> Announcement:  # noqa: PLR0911 - a table, read once
    match event:  # mypy: an event without a case here is an error
        case SlaBreached():
            return _sla_breached(event)
        case SystemConfigurationChanged():
            return configuration_changed(event)
        case FeatureToggleChanged():
            return toggle_changed(event)
        case NotificationTemplateChanged():
            return template_changed(event)
        case ServiceRegistered():
            # The invitation is for the silo that makes the tenant, and for nobody else.
            return _service(event, _service_registered(event), [SILOS[event.service_type]])
        case ServiceSuspended():
            return _service(event, service_events.ServiceSuspended(**_service_key(event)))
        case ServiceReinstated():
            return _service(event, service_events.ServiceReinstated(**_service_key(event)))
        case ServiceRetired():
            return _service(event, service_events.ServiceRetired(**_service_key(event)))


_ServiceEvent = ServiceRegistered | ServiceSuspended | ServiceReinstated | ServiceRetired


def _service(
    event: _ServiceEvent,
    payload: Any,  # noqa: ANN401 - any of the four
    silos: Sequence[str] = ("silo:hospital", "silo:ems"),
) -> Announcement:
    return Announcement(
        event=payload,
        subject=f"services/{event.service_id}",
        subject_version=event.registry_version,
        audience=[*silos, "role:center_admin"],
    )


def _service_key(event: _ServiceEvent) -> dict[str, Any]:
    return {
        "service_id": str(event.service_id),
        "service_type": number(words.ServiceType, event.service_type),
        "external_id": str(event.external_id),
        "registry_version": event.registry_version,
    }


def _service_registered(event: ServiceRegistered) -> service_events.ServiceRegistered:
    known = dict(event.configuration)
    payload = service_events.ServiceRegistered(
        **_service_key(event),
        service_name=event.service_name,
        contact_email=known.pop("contact_email"),
        added_by=str(event.added_by),
        add_time=timestamp(event.added_at),
        invitation_hash=event.invitation_hash,
        invitation_expire_time=timestamp(event.invitation_expires_at),
    )
    return ParseDict(known, payload)


def _sla_breached(event: SlaBreached) -> Announcement:
    agency = [f"agency:{event.agency_id}"] if event.agency_id else []
    return Announcement(
        event=sla_events.SlaBreached(
            trip=sla_events.TripRef(
                hospital_id=str(event.hospital_id),
                transport_request_id=str(event.transport_request_id),
                trip_version=event.hospital_version,
            ),
            kind=number(sla_events.SlaKind, event.kind),
            due_time=timestamp(event.due_at),
            agency_id=text(event.agency_id),
        ),
        subject=f"sla_timers/{event.transport_request_id}/{event.kind}",
        subject_version=1,  # a breach happens once
        audience=[
            "silo:hospital",
            "silo:ems",
            "role:center_admin",
            f"hospital:{event.hospital_id}",
            *agency,
        ],
    )
