"""What Center decides and this silo follows: toggles, configuration, templates."""

from __future__ import annotations

from chassis.copies import Copies
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
