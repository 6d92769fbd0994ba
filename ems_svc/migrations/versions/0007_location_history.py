"""Keep where units were, for a while."""

from __future__ import annotations

from chassis import migrations

revision = "0007"
down_revision = "0006"

UPGRADE = """
CREATE TABLE unit_location_history (
  agency_id uuid NOT NULL,
  unit_id uuid NOT NULL,
  fix_at timestamptz NOT NULL CONSTRAINT fix_at_is_valid CHECK (
    fix_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  latitude double precision NOT NULL CONSTRAINT latitude_is_valid CHECK (
    latitude BETWEEN -90 AND 90),
  longitude double precision NOT NULL CONSTRAINT longitude_is_valid CHECK (
    longitude BETWEEN -180 AND 180),
  received_at timestamptz NOT NULL DEFAULT now() CONSTRAINT received_at_is_valid CHECK (
    received_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  PRIMARY KEY (agency_id, unit_id, fix_at),
  FOREIGN KEY (agency_id, unit_id) REFERENCES unit (agency_id, id)
);
CREATE INDEX unit_location_history_age ON unit_location_history (agency_id, fix_at);
ALTER TABLE unit_location_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_location_history FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unit_location_history
  USING (agency_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON unit_location_history TO {service_role};
"""
DOWNGRADE = """
DROP TABLE unit_location_history;
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE)
