"""Let e-mail be sent: when one is of no use any more, which are due, what became of attempts."""

from __future__ import annotations

from chassis import migrations

revision = "0004"
down_revision = "0003"

UPGRADE = """
ALTER TABLE notification ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE
  CONSTRAINT expires_at_is_valid CHECK
  (expires_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00');
CREATE INDEX notification_recipient ON notification (hospital_id, recipient_user_id, id);
CREATE INDEX notification_due ON notification (next_attempt_at) WHERE state = 'QUEUED';

CREATE TABLE notification_delivery (
  hospital_id UUID NOT NULL,
  notification_id UUID NOT NULL,
  sequence INTEGER NOT NULL CONSTRAINT sequence_is_valid CHECK (sequence >= 0),
  attempted_at TIMESTAMP WITH TIME ZONE NOT NULL CONSTRAINT attempted_at_is_valid CHECK
    (attempted_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  outcome TEXT NOT NULL CONSTRAINT outcome_is_valid CHECK
    (outcome IN ('STARTED', 'SENT', 'DEFERRED', 'REFUSED', 'UNREACHABLE')),
  smtp_code SMALLINT,
  PRIMARY KEY (hospital_id, notification_id, sequence),
  FOREIGN KEY (hospital_id, notification_id) REFERENCES notification (hospital_id, id)
);
GRANT SELECT, INSERT, UPDATE ON notification_delivery TO {service_role};

ALTER TABLE notification_delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification_delivery FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notification_delivery USING
  (hospital_id = NULLIF(current_setting('medport.tenant_id', true), '')::uuid);
CREATE POLICY due ON notification FOR SELECT TO CURRENT_USER USING (state = 'QUEUED');

-- E-mail whose next attempt is due, and what is of no use any more; the longest waiting first.
CREATE FUNCTION due_notifications(due_at timestamptz, expired_at timestamptz, most bigint)
RETURNS TABLE (tenant_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT n.hospital_id, n.id FROM notification n
   WHERE n.state = 'QUEUED' AND n.channel = 'EMAIL'
     AND (n.next_attempt_at <= due_at OR n.expires_at <= expired_at)
   ORDER BY n.next_attempt_at LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION due_notifications FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_notifications TO {service_role};
"""
DOWNGRADE = """
DROP FUNCTION due_notifications;
DROP POLICY due ON notification;
DROP TABLE notification_delivery;
DROP INDEX notification_due, notification_recipient;
ALTER TABLE notification DROP COLUMN expires_at;
"""


def upgrade() -> None:
    migrations.run(UPGRADE.replace("{service_role}", migrations.service_role()))


def downgrade() -> None:
    migrations.run(DOWNGRADE)
