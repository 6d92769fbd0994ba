"""Tell a template that Center deleted from one that closes its channel."""

from __future__ import annotations

from chassis import migrations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    migrations.run(
        "ALTER TABLE notification_template_copy"
        " ADD COLUMN is_deleted BOOLEAN DEFAULT false NOT NULL"
    )


def downgrade() -> None:
    migrations.run("ALTER TABLE notification_template_copy DROP COLUMN is_deleted")
