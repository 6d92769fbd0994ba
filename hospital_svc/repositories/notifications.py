"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Boolean, and_, bindparam, or_, select

from chassis.email_delivery_rows import EmailDeliveryRows
from chassis.mail_rows import MailRows
from chassis.notification_rows import NotificationRows
from chassis.sql import compiled
from chassis.unit_of_work import Rows
from hospital_svc.domain.users import UserRole
from hospital_svc.tables import TENANT, agency_directory, hospital_user, metadata


def _id(id: UUID) -> UUID:
    return id


TEMPLATES = "notification_template_copy"

rows = NotificationRows(metadata, TENANT, templates=TEMPLATES, settings="system_configuration_copy")
mail = MailRows(metadata, TENANT, users="hospital_user", templates=TEMPLATES)
deliveries = EmailDeliveryRows(metadata, TENANT)

WHOM = compiled(
    select(hospital_user.c.id).where(
        hospital_user.c.hospital_id == bindparam("hospital_id"),
        hospital_user.c.is_active,
        or_(
            hospital_user.c.id == bindparam("person"),
            and_(bindparam("with_admins", type_=Boolean), hospital_user.c.role == UserRole.ADMIN),
        ),
    ),
    into=_id,
)
NAME = compiled(
    select(agency_directory.c.name).where(agency_directory.c.agency_id == bindparam("agency_id"))
)


async def whom(rows: Rows, hospital_id: UUID, person: UUID, *, with_admins: bool) -> Sequence[UUID]:
    """Return a person, if it still works there, and the administrators if they are asked for."""
    known = {"hospital_id": hospital_id, "person": person, "with_admins": with_admins}
    return await rows.all(WHOM, **known)


async def agency_name(rows: Rows, agency_id: UUID) -> str:
    """Return what an agency is called; something that fits where the directory does not know."""
    found = await rows.optional(NAME, agency_id=agency_id)
    return str(found["name"]) if found else "The agency"
