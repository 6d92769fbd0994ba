"""Keep which agency gave a job back, and have the figures of drops made anew."""

from __future__ import annotations

from chassis import migrations

revision = "0010"
down_revision = "0009"

# What was counted per trip goes to the agencies that won it and did not carry it, in their order.
# Their awards are not known here: the bid stands for the award until the logs are counted again.
# trip_fact.drop_count stays, for processes of the release before.
UPGRADE = """
CREATE TABLE drop_fact (
  hospital_id UUID NOT NULL,
  transport_request_id UUID NOT NULL,
  agency_id UUID NOT NULL,
  award_token UUID NOT NULL,
  PRIMARY KEY (hospital_id, transport_request_id, agency_id, award_token)
);
GRANT SELECT, INSERT, DELETE ON drop_fact TO {service_role};

INSERT INTO drop_fact (hospital_id, transport_request_id, agency_id, award_token)
SELECT hospital_id, transport_request_id, agency_id, bid_id
  FROM (SELECT hospital_id, transport_request_id, bid.agency_id, bid.bid_id, trip.drop_count,
               row_number() OVER (PARTITION BY hospital_id, transport_request_id
                                      ORDER BY bid.submitted_at, bid.bid_id) AS number
          FROM trip_fact AS trip JOIN bid_fact AS bid USING (hospital_id, transport_request_id)
         WHERE trip.drop_count > 0 AND bid.status = 'RELEASED') AS released
 WHERE number <= drop_count;
INSERT INTO stale_bucket (facts, bucket_started_at, transaction_version)
SELECT DISTINCT 'TRIPS', date_bin('1 hour', requested_at, '2000-01-01 00:00:00+00'), 0
  FROM trip_fact WHERE hospital_version > 0 AND drop_count > 0
    ON CONFLICT DO NOTHING;
"""
DOWNGRADE = """
UPDATE trip_fact AS trip SET drop_count = (
  SELECT count(*) FROM drop_fact AS given
   WHERE given.hospital_id = trip.hospital_id
     AND given.transport_request_id = trip.transport_request_id);
DROP TABLE drop_fact;
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE)
