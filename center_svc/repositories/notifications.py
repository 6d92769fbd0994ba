"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from center_svc.domain.users import Role
from center_svc.tables import center_user, metadata
from chassis.email_delivery_rows import EmailDeliveryRows
from chassis.mail_rows import MailRows
from chassis.notification_rows import NotificationRows
from chassis.sql import compiled
from chassis.unit_of_work import Rows

TEMPLATES = "notification_template"

rows = NotificationRows(metadata, None, templates=TEMPLATES, settings="system_configuration")
mail = MailRows(metadata, None, users="center_user", templates=TEMPLATES)
deliveries = EmailDeliveryRows(metadata, None)

ADMINISTRATORS = compiled(
    select(center_user.c.id).where(center_user.c.is_active, center_user.c.role == Role.ADMIN),
    into=lambda user_id: user_id,
)


async def administrators(rows: Rows) -> Sequence[UUID]:
    """Return who is told of what needs a look."""
    return await rows.all(ADMINISTRATORS)
