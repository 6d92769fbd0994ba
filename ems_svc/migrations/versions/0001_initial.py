"""The first schema of the EMS silo: its tables, its event log, and what the service may do."""

from __future__ import annotations

from pathlib import Path

import chassis
from chassis import migrations

revision = "0001"
down_revision = None

TABLES = Path(__file__).with_suffix(".sql")
EVENT_LOG = Path(chassis.__file__).with_name("event_log.sql")


def upgrade() -> None:
    role = migrations.service_role()
    for file in (EVENT_LOG, TABLES):
        migrations.run(file.read_text().replace("{service_role}", role))


def downgrade() -> None:
    """Leave an empty database: there is no older schema whose rows could be kept."""
    migrations.run(DROP_ALL)


# Everything that the owner made, but not the table in which Alembic notes what it did.
DROP_ALL = """
DO $$ DECLARE each record; BEGIN
  FOR each IN SELECT oid::regclass AS name FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
      AND NOT relispartition AND relname <> 'alembic_version'
  LOOP EXECUTE 'DROP TABLE ' || each.name || ' CASCADE'; END LOOP;
  FOR each IN SELECT oid::regprocedure AS name FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proowner = current_user::regrole
  LOOP EXECUTE 'DROP FUNCTION ' || each.name; END LOOP;
END $$
"""
