"""Notification templates, between values and protobuf."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from medport.center.events.v1 import notification_templates_pb2 as events
from medport.center.v1 import notification_templates_pb2 as pb

from center_svc.domain.events import NotificationTemplateChanged
from center_svc.domain.notification_templates import NotificationTemplate
from chassis.clock import timestamp
from chassis.notification_texts import Channel
from chassis.outbox import Announcement
from chassis.wire import member, number


def channel(given: int) -> Channel:
    return member(Channel, pb.NotificationTemplateType, given)


def notification_template(value: NotificationTemplate) -> pb.NotificationTemplate:
    return pb.NotificationTemplate(
        id=str(value.id),
        template_name=value.template_name,
        template_type=number(pb.NotificationTemplateType, value.template_type),
        subject=value.subject or "",
        content=value.content,
        variables=value.variables,
        is_active=value.is_active,
        version=value.version,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=value.etag,
    )


def columns(given: pb.NotificationTemplate, named: Collection[str]) -> dict[str, Any]:
    """Return the columns that a change sets; an activity that is not said is on."""
    every = {
        "subject": given.subject or None,
        "content": given.content,
        "variables": list(given.variables),
        "is_active": given.is_active if given.HasField("is_active") else True,
    }
    return {name: value for name, value in every.items() if name in named}


def public_values(
    template: NotificationTemplate | NotificationTemplateChanged,
) -> events.NotificationTemplateChanged:
    return events.NotificationTemplateChanged(
        template_name=template.template_name,
        template_type=template.template_type,
        subject=template.subject or "",
        content=template.content,
        variables=template.variables,
        is_active=template.is_active,
        version=template.version,
        is_deleted=template.is_deleted,
    )


def template_changed(event: NotificationTemplateChanged) -> Announcement:
    return Announcement(
        event=public_values(event),
        subject=f"notification_templates/{event.notification_template_id}",
        subject_version=event.version,
        audience=["silo:hospital", "silo:ems", "role:center_admin"],
    )
