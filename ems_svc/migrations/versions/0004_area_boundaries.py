"""Let areas be polygons, and let the service take areas away."""

from __future__ import annotations

from chassis import migrations

revision = "0004"
down_revision = "0003"

UPGRADE = """
ALTER TABLE service_area
  ADD COLUMN boundary double precision[][] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT boundary_is_a_polygon CHECK (
    boundary = '{}' OR (array_ndims(boundary) = 2 AND array_length(boundary, 2) = 2
    AND array_length(boundary, 1) BETWEEN 3 AND 100 AND 180 >= ALL (boundary)
    AND -180 <= ALL (boundary)));
GRANT DELETE ON service_area TO {service_role};
"""
DOWNGRADE = """
REVOKE DELETE ON service_area FROM {service_role};
ALTER TABLE service_area DROP COLUMN boundary;
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE.replace("{service_role}", migrations.service_role()))
