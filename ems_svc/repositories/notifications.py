"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from chassis.mail_rows import MailRows
from chassis.notification_rows import NotificationRows
from ems_svc.tables import TENANT, metadata

TEMPLATES = "notification_template_copy"

rows = NotificationRows(metadata, TENANT, templates=TEMPLATES)
mail = MailRows(metadata, TENANT, users="ems_agency_user", templates=TEMPLATES)
