"""Let the service take facts away, to count the logs again."""

from __future__ import annotations

from chassis import migrations

revision = "0008"
down_revision = "0007"

UPGRADE = "GRANT DELETE ON trip_fact, bid_fact, unit_interval_fact TO {service_role}"
DOWNGRADE = "REVOKE DELETE ON trip_fact, bid_fact, unit_interval_fact FROM {service_role}"


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE.replace("{service_role}", migrations.service_role()))
