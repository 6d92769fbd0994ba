"""Follows Center's notification templates; the last good copy survives Center being away."""

from __future__ import annotations

from typing import Any

from medport.center.events.v1.notification_templates_pb2 import (
    NotificationTemplateChanged,
    NotificationTemplateSnapshot,
)

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.repositories.center_copies import NOTIFICATION_TEMPLATES


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; an older or redelivered one changes nothing."""
    match event.payload:
        case NotificationTemplateChanged() as changed:
            await NOTIFICATION_TEMPLATES.keep(uow, **_row(changed))


async def overwrite(uow: UnitOfWork, event: Received) -> str | None:
    """Take one row as Center now shows it; return what it is noted under."""
    match event.payload:
        case NotificationTemplateSnapshot() as shown:
            return await NOTIFICATION_TEMPLATES.overwrite(uow, **_row(shown.notification_template))
    return None


def _row(given: NotificationTemplateChanged) -> dict[str, Any]:
    return {
        "template_name": given.template_name,
        "template_type": given.template_type,
        "subject": given.subject or None,
        "content": given.content,
        "variables": list(given.variables),
        "is_active": given.is_active,
        "version": given.version,
        "is_deleted": given.is_deleted,
    }
