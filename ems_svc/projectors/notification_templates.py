"""Follows Center's notification templates."""

from __future__ import annotations

from medport.center.events.v1.notification_templates_pb2 import NotificationTemplateChanged

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.repositories import center_copies


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case NotificationTemplateChanged() as changed:
            await center_copies.copy_template(
                uow,
                template_name=changed.template_name,
                template_type=changed.template_type,
                subject=changed.subject or None,
                content=changed.content,
                variables=list(changed.variables),
                is_active=changed.is_active,
                version=changed.version,
            )
