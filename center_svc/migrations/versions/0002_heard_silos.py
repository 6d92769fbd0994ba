"""Keep how far the other silos have been heard, for whichever process looks for missed levels."""

from __future__ import annotations

from chassis import migrations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    role = migrations.service_role()
    migrations.run(UPGRADE.replace("{service_role}", role))


def downgrade() -> None:
    migrations.run("DROP TABLE heard_silo")


_MOMENT = "BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'"
UPGRADE = f"""
CREATE TABLE heard_silo (
  silo TEXT NOT NULL CONSTRAINT silo_is_valid CHECK (silo IN ('HOSPITAL', 'EMS', 'CENTER')),
  until_at TIMESTAMP WITH TIME ZONE NOT NULL
    CONSTRAINT until_at_is_valid CHECK (until_at {_MOMENT}),
  PRIMARY KEY (silo)
);
GRANT SELECT, INSERT, UPDATE ON heard_silo TO {{service_role}};
"""
