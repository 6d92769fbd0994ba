"""What this silo tells its users: the chassis's statements on this silo's tables."""

from __future__ import annotations

from center_svc.tables import metadata
from chassis.notification_rows import NotificationRows

rows = NotificationRows(metadata, None, templates="notification_template")
