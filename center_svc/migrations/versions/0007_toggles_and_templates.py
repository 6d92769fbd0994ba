"""Let toggles and templates be deleted while their versions go on rising."""

from __future__ import annotations

from chassis import migrations

revision = "0007"
down_revision = "0006"

UPGRADE = """
ALTER TABLE feature_toggle
  ADD COLUMN created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
    CONSTRAINT created_at_is_valid CHECK
    (created_at BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'),
  ADD COLUMN is_deleted BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE notification_template ADD COLUMN is_deleted BOOLEAN DEFAULT false NOT NULL;
"""
DOWNGRADE = """
DELETE FROM feature_toggle WHERE is_deleted;
ALTER TABLE feature_toggle DROP COLUMN created_at, DROP COLUMN is_deleted;
DELETE FROM notification_template WHERE is_deleted;
ALTER TABLE notification_template DROP COLUMN is_deleted;
"""


def upgrade() -> None:
    migrations.run(UPGRADE)


def downgrade() -> None:
    migrations.run(DOWNGRADE)
