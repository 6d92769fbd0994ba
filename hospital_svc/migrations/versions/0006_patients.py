"""Let emergency access end before its time, and let patients be forgotten.

The trail of a trip stays as it was written, but for what users said in it: that may name the
patient, and goes when the patient's name goes.
"""

from __future__ import annotations

from chassis import migrations

revision = "0006"
down_revision = "0005"

UPGRADE = """
ALTER TABLE break_glass_grant
  ADD COLUMN revoked_at timestamptz
    CONSTRAINT revoked_at_is_valid
    CHECK (revoked_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  ADD COLUMN revoked_by uuid,
  ADD CONSTRAINT somebody_revoked_it CHECK ((revoked_at IS NULL) = (revoked_by IS NULL));

CREATE INDEX break_glass_grant_live
  ON break_glass_grant (hospital_id, transport_request_id, center_user_id)
  WHERE revoked_at IS NULL;

CREATE INDEX transport_request_remembered
  ON transport_request (hospital_id, (coalesce(completed_at, cancelled_at, expired_at)))
  WHERE patient_purged_at IS NULL AND status IN ('COMPLETED', 'CANCELLED', 'EXPIRED');

GRANT UPDATE (notes) ON trip_history TO {service_role};
"""
DOWNGRADE = """
REVOKE UPDATE (notes) ON trip_history FROM {service_role};
DROP INDEX transport_request_remembered, break_glass_grant_live;
ALTER TABLE break_glass_grant
  DROP CONSTRAINT somebody_revoked_it, DROP COLUMN revoked_by, DROP COLUMN revoked_at;
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE.replace("{service_role}", migrations.service_role()))
