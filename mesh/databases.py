"""Gives each PostgreSQL server its database and its two roles: owner and service."""

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
        role: (secrets / silo / f"{role}.password").read_text() for role in ("owner", "service")
    }
    server.psql(statements(silo, passwords))
