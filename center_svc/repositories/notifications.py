"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from center_svc.tables import metadata
from chassis.mail_rows import MailRows
from chassis.notification_rows import NotificationRows

TEMPLATES = "notification_template"

rows = NotificationRows(metadata, None, templates=TEMPLATES, settings="system_configuration")
mail = MailRows(metadata, None, users="center_user", templates=TEMPLATES)
