"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, or_, select

from chassis.email_delivery_rows import EmailDeliveryRows
from chassis.mail_rows import MailRows
from chassis.notification_rows import NotificationRows
from chassis.sql import compiled
from chassis.unit_of_work import Rows
from ems_svc.domain.users import UserRole
from ems_svc.tables import TENANT, ems_agency_user, metadata


def _id(id: UUID) -> UUID:
    return id


TEMPLATES = "notification_template_copy"

rows = NotificationRows(metadata, TENANT, templates=TEMPLATES, settings="system_configuration_copy")
mail = MailRows(metadata, TENANT, users="ems_agency_user", templates=TEMPLATES)
deliveries = EmailDeliveryRows(metadata, TENANT)

WHOM = compiled(
    select(ems_agency_user.c.id).where(
        ems_agency_user.c.agency_id == bindparam("agency_id"),
        ems_agency_user.c.is_active,
        or_(*(ems_agency_user.c.role == each for each in (UserRole.DISPATCHER, UserRole.ADMIN))),
    ),
    into=_id,
)


async def whom(rows: Rows, agency_id: UUID) -> Sequence[UUID]:
    """Return who answers for an agency's trips: dispatchers and administrators."""
    return await rows.all(WHOM, agency_id=agency_id)
