"""Let the service find a unit's intervals by their beginning, and take away planned ones."""

from __future__ import annotations

from chassis import migrations

revision = "0006"
down_revision = "0005"

UPGRADE = """
CREATE INDEX unit_availability_start ON unit_availability (agency_id, unit_id, start_at);
GRANT DELETE ON unit_availability TO {service_role};
"""
DOWNGRADE = """
REVOKE DELETE ON unit_availability FROM {service_role};
DROP INDEX unit_availability_start;
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE.replace("{service_role}", migrations.service_role()))
