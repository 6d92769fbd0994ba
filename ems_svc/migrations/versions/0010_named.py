"""Keep with a trip whom the hospital named, and from when each of them sees it.

What is on offer now was named where it opens for one agency at another time than for everybody.
The owner sees rows of every agency for as long as reading them takes.
"""

from __future__ import annotations

from chassis import migrations

revision = "0010"
down_revision = "0009"

UPGRADE = """
ALTER TABLE offered_trip ADD COLUMN offers jsonb NOT NULL DEFAULT '{}';
ALTER TABLE available_trip NO FORCE ROW LEVEL SECURITY;
UPDATE offered_trip t SET offers = (
  SELECT coalesce(jsonb_object_agg(a.agency_id, jsonb_build_array(a.wave, a.visible_at)), '{}')
    FROM available_trip a
   WHERE a.hospital_id = t.hospital_id AND a.transport_request_id = t.transport_request_id
     AND a.visible_at IS DISTINCT FROM t.broadcast_at)
 WHERE t.state = 'OPEN';
ALTER TABLE available_trip FORCE ROW LEVEL SECURITY;
"""
DOWNGRADE = """
ALTER TABLE offered_trip DROP COLUMN offers;
"""


def upgrade() -> None:
    migrations.run(UPGRADE)


def downgrade() -> None:
    migrations.run(DOWNGRADE)
