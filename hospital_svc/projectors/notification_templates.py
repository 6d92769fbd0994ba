"""Follows Center's notification templates; the last good copy survives Center being away."""

from __future__ import annotations

from medport.center.events.v1.notification_templates_pb2 import NotificationTemplateChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from hospital_svc.repositories import center_copies


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case NotificationTemplateChanged() as template:
            row = {
                "template_name": template.template_name,
                "template_type": template.template_type,
                "subject": template.subject or None,
                "content": template.content,
                "variables": list(template.variables),
                "is_active": template.is_active,
                "version": template.version,
            }
            await center_copies.put(uow, center_copies.NOTIFICATION_TEMPLATE, row)
