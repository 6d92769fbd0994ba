"""Real PostgreSQL for tests: a server per silo, a migrated template, a fresh copy per test.

``MEDPORT_TEST_PG`` forces where servers come from: ``docker``, ``embedded``, or ``dsn`` (then
``MEDPORT_TEST_DSN`` names a superuser of a server whose databases and roles are ours to make).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from chassis import migrations
from tests.support.servers import Source

SILOS = ("hospital", "ems", "center")

_ROLE_LOCK = 7_433_001  # roles belong to the server, and workers of one run may share it
_ADMINS: dict[str, str] = {}


def owner_of(dsn: str) -> str:
    """Return ``dsn`` as the role that owns the tables, for what the service role may not do."""
    silo = str(conninfo_to_dict(dsn)["user"]).rpartition("_")[0]
    return make_conninfo(dsn, user=f"{silo}_owner", password=f"{silo}_owner")


def superuser_of(dsn: str) -> str:
    """Return ``dsn`` as the superuser of its server."""
    parts = conninfo_to_dict(dsn)
    return make_conninfo(_ADMINS[f"{parts['host']}:{parts['port']}"], dbname=str(parts["dbname"]))


@dataclass
class Databases:
    """Servers started on first use; ``close`` stops them. ``worker`` keeps names apart."""

    source: Source
    worker: str
    _stack: ExitStack = field(default_factory=ExitStack)
    _servers: dict[str, str] = field(default_factory=dict)
    _templates: dict[tuple[str, bool], str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def fresh(self, silo: str, *, migrated: bool = True) -> Iterator[str]:
        """Yield the service role's DSN of a new database; unmigrated means: roles, no tables."""
        template = self._template(silo, migrated=migrated)
        name = f"t_{self.worker}_{silo}_{next(self._numbers)}"
        with _admin(self._server(silo)) as admin:
            _create_database(admin, name, silo, template)
        try:
            yield _as_role(self._server(silo), name, f"{silo}_service")
        finally:
            with _admin(self._server(silo)) as admin:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def close(self) -> None:
        self._stack.close()

    def _server(self, silo: str) -> str:
        if silo not in self._servers:
            dsn = self._stack.enter_context(self.source(silo))
            parts = conninfo_to_dict(dsn)
            _ADMINS[f"{parts['host']}:{parts['port']}"] = dsn
            with _admin(dsn) as admin:
                _create_roles(admin, silo)
            self._servers[silo] = dsn
        return self._servers[silo]

    def _template(self, silo: str, *, migrated: bool) -> str:
        if (silo, migrated) not in self._templates:
            name = f"tpl_{self.worker}_{silo}_{'migrated' if migrated else 'plain'}"
            with _admin(self._server(silo)) as admin:
                _create_database(admin, name, silo, "template0")
                if migrated:
                    owner = _as_role(self._server(silo), name, f"{silo}_owner")
                    migrations.migrate(f"{silo}_svc", owner, f"{silo}_service")
                closed = SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false")
                admin.execute(closed.format(Identifier(name)))
            self._templates[silo, migrated] = name
        return self._templates[silo, migrated]


def _admin(dsn: str) -> Connection:
    return psycopg.connect(dsn, autocommit=True)


def _as_role(server: str, database: str, role: str) -> str:
    return make_conninfo(server, dbname=database, user=role, password=role)


def _create_roles(admin: Connection, silo: str) -> None:
    with admin.transaction():
        admin.execute("SELECT pg_advisory_xact_lock(%s)", [_ROLE_LOCK])
        admin.execute("SET LOCAL scram_iterations = 1")  # a login's cost: tests make thousands
        for role in (f"{silo}_owner", f"{silo}_service"):
            known = admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = SQL("CREATE ROLE") if known is None else SQL("ALTER ROLE")
            login = SQL("{} {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}")
            admin.execute(login.format(verb, Identifier(role), Literal(role)))


def _create_database(admin: Connection, name: str, silo: str, template: str) -> None:
    owner, service = Identifier(f"{silo}_owner"), Identifier(f"{silo}_service")
    drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    make = SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy")
    statements: tuple[sql.Composed, ...] = (
        drop.format(Identifier(name)),  # of an earlier run on a server that outlives runs
        make.format(Identifier(name), owner, Identifier(template)),
        SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)),
        SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(name), service),
    )
    for statement in statements:
        admin.execute(statement)
