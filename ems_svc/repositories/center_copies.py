"""The copies of what Center configures; the defaults are in the code that asks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, func, select

from chassis.copies import Copies
from chassis.sql import compiled
from chassis.toggle_rows import FeatureToggles
from chassis.unit_of_work import Rows
from ems_svc.domain.distances import ROAD_FACTOR
from ems_svc.domain.unit_locations import LOCATION_RETENTION
from ems_svc.tables import metadata

_configuration = metadata.tables["system_configuration_copy"]
_toggle = metadata.tables["feature_toggle_copy"]
_template = metadata.tables["notification_template_copy"]

FEATURE_TOGGLES = Copies(_toggle, "feature_toggles/" + _toggle.c.feature_name)
SYSTEM_CONFIGURATIONS = Copies(_configuration, "system_configurations/" + _configuration.c.key)
NOTIFICATION_TEMPLATES = Copies(
    _template,
    "notification_templates/" + _template.c.template_name + "/" + _template.c.template_type,
)
FEATURES = FeatureToggles(_toggle)
EVERY = (FEATURE_TOGGLES, SYSTEM_CONFIGURATIONS, NOTIFICATION_TEMPLATES)
# The longest key that is set decides: one agency's own before everybody's.
VALUE = compiled(
    select(_configuration.c.value)
    .where(
        _configuration.c.key == any_(bindparam("keys", type_=ARRAY(Text))),
        _configuration.c.is_active,
    )
    .order_by(func.char_length(_configuration.c.key).desc())
    .limit(1)
)


async def road_factor(rows: Rows) -> Decimal:
    """Return by how much roads are longer than the great circle: ``routing.road_factor``."""
    row = await rows.optional(VALUE, keys=["routing.road_factor"])
    return Decimal(row["value"]) if row else ROAD_FACTOR


async def location_retention(rows: Rows) -> timedelta:
    """Return for how long it is kept where units were: ``location.retention_days``."""
    row = await rows.optional(VALUE, keys=["location.retention_days"])
    return timedelta(days=float(row["value"])) if row else LOCATION_RETENTION


async def confirms_by_hand(rows: Rows, agency_id: UUID) -> bool:
    """Tell whether the agency answers awards itself: ``award.confirm`` is ``manual``.

    ``award.confirm.{agency_id}`` is one agency's own setting.
    """
    row = await rows.optional(VALUE, keys=["award.confirm", f"award.confirm.{agency_id}"])
    return row is not None and row["value"] == "manual"


async def optimises_routes(rows: Rows, agency_id: UUID, user_id: UUID) -> bool:
    """Tell whether the feature ``route_optimization`` is on for them."""
    return await FEATURES.is_on(rows, "route_optimization", agency_id, user_id)
