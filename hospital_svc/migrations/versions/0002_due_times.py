"""Let the timers find what is due, of whichever hospital, in one statement.

A tenant's rows are seen by transactions that name the tenant, and by nobody else (decision 10).
The owner, as whom the service cannot log in, now sees what still waits; the functions that it
lends to the service say whose, which and when, and nothing else.
"""

from __future__ import annotations

from chassis import migrations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    role = migrations.service_role()
    migrations.run(UPGRADE.replace("{service_role}", role))


def downgrade() -> None:
    migrations.run(DOWNGRADE)


UPGRADE = """
CREATE INDEX award_unanswered ON award (confirm_deadline_at) WHERE state = 'TENTATIVE';

CREATE POLICY due ON transport_request FOR SELECT TO CURRENT_USER USING (status = 'PENDING');
CREATE POLICY due ON received_bid FOR SELECT TO CURRENT_USER USING (status = 'PENDING');
CREATE POLICY due ON award FOR SELECT TO CURRENT_USER USING (state = 'TENTATIVE');

-- Unanswered awards whose deadline lies before a moment, the oldest first.
CREATE FUNCTION due_awards(before_at timestamptz, most bigint)
RETURNS TABLE (hospital_id uuid, transport_request_id uuid, confirm_deadline_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT a.hospital_id, a.transport_request_id, a.confirm_deadline_at
    FROM award a
   WHERE a.state = 'TENTATIVE' AND a.confirm_deadline_at < before_at
   ORDER BY a.confirm_deadline_at LIMIT most
$$;

-- Open trips whose offer and last living bid end before a moment; their own end decides the order.
CREATE FUNCTION due_offers(before_at timestamptz, grace interval, most bigint)
RETURNS TABLE (hospital_id uuid, id uuid, due_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT t.hospital_id, t.id, greatest(t.offer_expires_at + grace, living.until_at)
    FROM transport_request t, LATERAL (
      SELECT max(b.expires_at) AS until_at FROM received_bid b
       WHERE b.hospital_id = t.hospital_id AND b.transport_request_id = t.id
         AND b.status = 'PENDING' AND b.material_version = t.material_version) living
   WHERE t.status = 'PENDING' AND t.offer_expires_at < before_at - grace
     AND (living.until_at IS NULL OR living.until_at < before_at)
   ORDER BY t.offer_expires_at LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION due_awards, due_offers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_awards, due_offers TO {service_role};
"""

DOWNGRADE = """
DROP FUNCTION due_awards, due_offers;
DROP POLICY due ON transport_request;
DROP POLICY due ON received_bid;
DROP POLICY due ON award;
DROP INDEX award_unanswered;
"""
