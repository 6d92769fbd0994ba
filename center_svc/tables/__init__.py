"""Every table of the center's database. Center has no tenants: it watches over all of them."""

from center_svc.tables.administration import (
    audit_chain,
    audit_log,
    center_user,
    feature_toggle,
    notification_template,
    service_registry,
    system_configuration,
    system_configuration_version,
)
from center_svc.tables.facts import (
    analytics_refresh,
    bid_fact,
    drop_fact,
    heard_silo,
    sla_timer,
    stale_bucket,
    system_analytics,
    trip_fact,
    unit_interval_fact,
)
from center_svc.tables.shared import metadata

__all__ = [
    "analytics_refresh",
    "audit_chain",
    "audit_log",
    "bid_fact",
    "center_user",
    "drop_fact",
    "feature_toggle",
    "heard_silo",
    "metadata",
    "notification_template",
    "service_registry",
    "sla_timer",
    "stale_bucket",
    "system_analytics",
    "system_configuration",
    "system_configuration_version",
    "trip_fact",
    "unit_interval_fact",
]
