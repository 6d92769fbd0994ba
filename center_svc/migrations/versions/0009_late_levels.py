"""Find service levels that were met too late, and know since when each is expected."""

from __future__ import annotations

from chassis import migrations

revision = "0009"
down_revision = "0008"

UPGRADE = """
ALTER TABLE sla_timer ADD COLUMN started_at TIMESTAMP WITH TIME ZONE
  CONSTRAINT started_at_is_valid
  CHECK (started_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00');
CREATE INDEX sla_timer_late ON sla_timer (due_at)
  WHERE cleared_at > due_at AND breached_at IS NULL;
"""
DOWNGRADE = """
DROP INDEX sla_timer_late;
ALTER TABLE sla_timer DROP COLUMN started_at;
"""


def upgrade() -> None:
    migrations.run(UPGRADE)


def downgrade() -> None:
    migrations.run(DOWNGRADE)
