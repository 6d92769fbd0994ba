"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from chassis.notification_rows import NotificationRows
from hospital_svc.tables import TENANT, metadata

rows = NotificationRows(metadata, TENANT, templates="notification_template_copy")
