"""Let the service replace a route's stops."""

from __future__ import annotations

from chassis import migrations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    migrations.run(f"GRANT DELETE ON ems_route_stop TO {migrations.service_role()}")


def downgrade() -> None:
    migrations.run(f"REVOKE DELETE ON ems_route_stop FROM {migrations.service_role()}")
