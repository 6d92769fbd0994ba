"""The EMS database's Alembic versions."""
