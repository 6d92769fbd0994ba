"""The center database's Alembic versions."""
