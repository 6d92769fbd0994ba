"""Gives each PostgreSQL server its database and its roles: owner, service, and who only reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mesh.postgres import PostgresServer

# Generated passwords are URL-safe base64: no quote can end the literal early.
_ROLE = """
SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}';
"""

_DATABASE = """
SELECT 'CREATE DATABASE {silo} OWNER {silo}_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{silo}') \\gexec
REVOKE ALL ON DATABASE {silo}, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE {silo} TO {silo}_service;
"""

# Of any tenant, as who keeps the data directory may. That its sessions begin read-only is a fence
# that they can open; behind it they find no right to change a table, or to become another role.
_READER = """
ALTER ROLE {silo}_reader BYPASSRLS;
ALTER ROLE {silo}_reader SET default_transaction_read_only = on;
GRANT pg_read_all_data, pg_monitor TO {silo}_reader;
GRANT CONNECT ON DATABASE {silo} TO {silo}_reader;
"""


def statements(silo: str, passwords: Mapping[str, str]) -> str:
    """Return psql's input; running it again changes nothing but passwords that were replaced."""
    roles = (
        _ROLE.format(role=f"{silo}_{role}", password=passwords[role])
        for role in ("owner", "service")
    )
    return "".join((*roles, _DATABASE.format(silo=silo)))


def prepare(server: PostgresServer, silo: str, secrets: Path) -> None:
    """Make database and roles on a started server."""
    passwords = {
        role: (secrets / silo / f"{role}.password").read_text()
        for role in ("owner", "service", "reader")
    }
    reader = _ROLE.format(role=f"{silo}_reader", password=passwords["reader"])
    server.psql(statements(silo, passwords) + reader + _READER.format(silo=silo))
