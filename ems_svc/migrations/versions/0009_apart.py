"""Keep a unit's intervals apart in the database too, whoever writes them.

Two changes of status through replicas whose clocks differ could leave an interval of a microsecond
within another one: those go first. The owner sees rows of every agency for as long as that takes.
"""

from __future__ import annotations

from chassis import migrations

revision = "0009"
down_revision = "0008"

UPGRADE = """
ALTER TABLE unit_availability NO FORCE ROW LEVEL SECURITY;
DELETE FROM unit_availability a USING unit_availability b
 WHERE a.agency_id = b.agency_id AND a.unit_id = b.unit_id AND a.id <> b.id
   AND a.end_at - a.start_at <= interval '1 microsecond'
   AND tstzrange(a.start_at, a.end_at) && CASE WHEN b.end_at IS NULL
     THEN tstzrange(b.start_at, a.end_at) ELSE tstzrange(b.start_at, b.end_at) END;
ALTER TABLE unit_availability FORCE ROW LEVEL SECURITY;
ALTER TABLE unit_availability ADD CONSTRAINT unit_availability_apart EXCLUDE USING gist (
  int8range(uuid_hash_extended(unit_id, 0), uuid_hash_extended(unit_id, 0), '[]') WITH &&,
  (CASE WHEN end_at IS NULL THEN tstzrange(start_at, start_at, '[]')
   ELSE tstzrange(start_at, end_at) END) WITH &&);
"""
DOWNGRADE = """
ALTER TABLE unit_availability DROP CONSTRAINT unit_availability_apart;
"""


def upgrade() -> None:
    migrations.run(UPGRADE)


def downgrade() -> None:
    migrations.run(DOWNGRADE)
