"""Keep figures by hour and day, and know which are to be made anew."""

from __future__ import annotations

from chassis import migrations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE.replace("{service_role}", migrations.service_role()))


_MOMENT = "BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'"
_HOUR = "date_bin('1 hour', {}, '2000-01-01 00:00:00+00')"
# What is known already gets its figures, too.
UPGRADE = f"""
ALTER TABLE system_analytics ADD COLUMN organization_id UUID;
CREATE INDEX system_analytics_series ON system_analytics
  (organization_id, metric_name, bucket_seconds, bucket_started_at, dimensions_key);
GRANT DELETE ON system_analytics TO {{service_role}};

CREATE INDEX sla_timer_trip ON sla_timer (transport_request_id, kind);

CREATE TABLE stale_bucket (
  facts TEXT NOT NULL CONSTRAINT facts_is_valid CHECK (facts IN ('TRIPS', 'UNITS')),
  bucket_started_at TIMESTAMP WITH TIME ZONE NOT NULL
    CONSTRAINT bucket_started_at_is_valid CHECK (bucket_started_at {_MOMENT}),
  transaction_version BIGINT NOT NULL
    CONSTRAINT transaction_version_is_valid CHECK (transaction_version >= 0),
  PRIMARY KEY (facts, bucket_started_at)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON stale_bucket TO {{service_role}};
INSERT INTO stale_bucket
SELECT DISTINCT 'TRIPS', {_HOUR.format("requested_at")}, 0
  FROM trip_fact WHERE hospital_version > 0;
INSERT INTO stale_bucket
SELECT 'UNITS', {_HOUR.format("min(started_at)")}, 0
  FROM unit_interval_fact HAVING count(*) > 0;

CREATE TABLE analytics_refresh (
  is_only BOOLEAN DEFAULT true NOT NULL,
  refreshed_at TIMESTAMP WITH TIME ZONE
    CONSTRAINT refreshed_at_is_valid CHECK (refreshed_at {_MOMENT}),
  PRIMARY KEY (is_only),
  CONSTRAINT row_is_the_only_one CHECK (is_only)
);
INSERT INTO analytics_refresh DEFAULT VALUES;
GRANT SELECT, UPDATE ON analytics_refresh TO {{service_role}};
"""  # noqa: S608 - constants
DOWNGRADE = """
DROP TABLE analytics_refresh;
DROP TABLE stale_bucket;
DROP INDEX sla_timer_trip;
REVOKE DELETE ON system_analytics FROM {service_role};
DROP INDEX system_analytics_series;
ALTER TABLE system_analytics DROP COLUMN organization_id;
"""
