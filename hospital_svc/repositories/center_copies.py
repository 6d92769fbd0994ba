"""What Center decides and this silo follows: toggles, configuration, templates."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import bindparam, select

from chassis.copies import Copies
from chassis.sql import compiled
from chassis.unit_of_work import Rows
from hospital_svc.domain.viewers import REMEMBERED_FOR
from hospital_svc.tables import (
    feature_toggle_copy,
    notification_template_copy,
    system_configuration_copy,
)

FEATURE_TOGGLES = Copies(
    feature_toggle_copy,
    "feature_toggles/" + feature_toggle_copy.c.feature_name,
)
SYSTEM_CONFIGURATIONS = Copies(
    system_configuration_copy,
    "system_configurations/" + system_configuration_copy.c.key,
)
NOTIFICATION_TEMPLATES = Copies(
    notification_template_copy,
    "notification_templates/"
    + notification_template_copy.c.template_name
    + "/"
    + notification_template_copy.c.template_type,
)
EVERY = (FEATURE_TOGGLES, SYSTEM_CONFIGURATIONS, NOTIFICATION_TEMPLATES)

_configuration = system_configuration_copy
VALUE = compiled(
    select(_configuration.c.value).where(
        _configuration.c.key == bindparam("key"), _configuration.c.is_active
    )
)


async def phi_retention(rows: Rows) -> timedelta:
    """Return for how long the patient of an ended trip is known: ``phi.retention_days``."""
    row = await rows.optional(VALUE, key="phi.retention_days")
    return timedelta(days=float(row["value"])) if row else REMEMBERED_FOR
