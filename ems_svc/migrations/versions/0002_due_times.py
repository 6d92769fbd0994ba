"""Let the timers find what is due, of whichever agency, in one statement.

A tenant's rows are seen by transactions that name the tenant, and by nobody else (decision 10).
The owner, as whom the service cannot log in, now sees the bids that still wait; the function that
it lends to the service says whose, which and when, and nothing else.
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
CREATE INDEX offered_trip_unanswered ON offered_trip (confirm_deadline_at)
  WHERE confirm_deadline_at IS NOT NULL;

CREATE POLICY due ON transport_bid FOR SELECT TO CURRENT_USER USING (status = 'PENDING');

-- Undecided bids that lapse before a moment, the oldest first; not those whose agency has yet to
-- answer the award they won.
CREATE FUNCTION due_bids(before_at timestamptz, most bigint)
RETURNS TABLE (agency_id uuid, id uuid, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT b.agency_id, b.id, b.expires_at
    FROM transport_bid b
   WHERE b.status = 'PENDING' AND b.expires_at < before_at
     AND NOT EXISTS (
       SELECT FROM offered_trip t
        WHERE t.hospital_id = b.hospital_id AND t.transport_request_id = b.transport_request_id
          AND t.awarded_bid_id = b.id AND t.confirm_deadline_at IS NOT NULL)
   ORDER BY b.expires_at LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION due_bids FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_bids TO {service_role};
"""

DOWNGRADE = """
DROP FUNCTION due_bids;
DROP POLICY due ON transport_bid;
DROP INDEX offered_trip_unanswered;
"""
