"""Let the service take away copies of what another silo no longer has, once it has looked."""

from __future__ import annotations

from chassis import migrations

revision = "0003"
down_revision = "0002"

UPGRADE = """
GRANT DELETE ON feature_toggle_copy,
  notification_template_copy,
  system_configuration_copy,
  trusted_key
  TO {service_role};
"""
DOWNGRADE = """
REVOKE DELETE ON feature_toggle_copy,
  notification_template_copy,
  system_configuration_copy,
  trusted_key
  FROM {service_role};
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE.replace("{service_role}", migrations.service_role()))
