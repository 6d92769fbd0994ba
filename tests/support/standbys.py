"""A family of servers: one primary, its standbys, copies of it, and what becomes of them.

They are real ones, from PostgreSQL's own programs on this machine; where there are none, the tests
that need a family are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chassis import migrations
from mesh.binaries import NoPostgres, find_binaries, major_version
from mesh.postgres import PostgresServer, free_port
from tests.support.databases import SILOS

# Small, and quick to start: what is killed here is a server, never the machine.
_SMALL = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET shared_buffers = '16MB';
ALTER SYSTEM SET min_wal_size = '32MB';
ALTER SYSTEM SET max_wal_size = '64MB';
ALTER SYSTEM SET wal_init_zero = off;
ALTER SYSTEM SET wal_recycle = off;
"""
_PROGRAMS = ("pg_basebackup", "pg_dump", "pg_restore")


class Member(PostgresServer):
    """One server of a family; all of them have the roles and databases of the first."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name, free_port(), root)

    def query(self, text: str, *parameters: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser, in autocommit."""
        dsn = make_conninfo(self.dsn, dbname=database)
        with psycopg.connect(dsn, autocommit=True) as admin:
            cursor = admin.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def configure(self, statements: str) -> None:
        for statement in filter(None, map(str.strip, statements.split(";"))):
            self.query(statement)
        self.query("SELECT pg_reload_conf()")

    def copied(self, name: str) -> Member:
        """Make a server of this one's directory as it lies there, which nobody may be using."""
        return _adopted(self, name, lambda to: shutil.copytree(self.data, to))

    def backed_up(self, name: str, *options: str) -> Member:
        """Make a server of a backup taken while this one runs."""
        source = make_conninfo(self.dsn, application_name=name)
        backup = (
            "-d",
            source,
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "--no-manifest",
            *options,
        )
        return _adopted(self, name, lambda to: self._run("pg_basebackup", "-D", str(to), *backup))

    def standby(self, name: str) -> Member:
        """Start a standby that streams from this server, and return once it does."""
        standby = self.backed_up(name, "-R")
        standby.start()
        self.until("SELECT %s IN (SELECT application_name FROM pg_stat_replication)", name)
        return standby

    def recover(self) -> None:
        """Let a backup, when it is started, end at the moment when it was taken, and fork there."""
        (self.data / "recovery.signal").touch()
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                "restore_command = 'false'\n"
                "recovery_target = 'immediate'\n"
                "recovery_target_action = 'promote'\n"
            )

    def cut_off(self) -> None:
        """Let a standby receive nothing any more: its network is gone, for ever."""
        self.configure("ALTER SYSTEM SET primary_conninfo = ''")
        self.until("SELECT count(*) = 0 FROM pg_stat_wal_receiver")

    def promote(self) -> None:
        assert self.query("SELECT pg_promote(true, 60)") == [(True,)]

    def crash(self) -> None:
        """Stop without writing anything down; what standbys do not have yet, they never get."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")
        self.wait()

    def remove(self) -> None:
        if self.ready:
            self.crash()
        shutil.rmtree(self.data)

    def restore(self, database: str, name: str) -> None:
        """Dump ``database`` and restore it as another one of this server, named ``name``."""
        server = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        file = self.root / f"{name}.dump"
        self._run("pg_dump", *server, "-Fc", "-f", str(file), database)
        self.query(f"CREATE DATABASE {name} TEMPLATE template0")
        self._run("pg_restore", *server, "-d", name, "--exit-on-error", str(file))

    def until(self, question: str, *parameters: str) -> None:
        """Return once the server answers yes."""
        while self.query(question, *parameters) != [(True,)]:
            pass


def _adopted(parent: Member, name: str, fill: Callable[[Path], object]) -> Member:
    """Make the member whose directory ``fill`` makes, and who knows its parent's password."""
    directory = parent.root / f"{name}-{major_version()}"
    secret = directory.with_suffix(".password")
    secret.touch(mode=0o600)
    secret.write_text(parent.password)
    fill(directory)
    return Member(name, parent.root)


def service(silo: str, *members: Member, database: str = "") -> str:
    """Return the DSN by which a silo's service finds whichever of the members takes writes."""
    return make_conninfo(
        host=",".join("127.0.0.1" for _ in members),
        port=",".join(str(each.port) for each in members),
        dbname=database or silo,
        user=f"{silo}_service",
        password=f"{silo}_service",
        target_session_attrs="read-write",
    )


def home(root: Path, silos: Sequence[str] = SILOS) -> Member:
    """Make a stopped server with the silos' migrated databases, for copies to begin as."""
    if why := _no_servers():
        pytest.skip(f"needs servers of its own: {why}")
    server = Member("home", root)
    server.start()
    try:
        server.configure(_SMALL)
        for silo in silos:
            _lay(server, silo)
    finally:
        server.stop()
    return server


def _lay(server: Member, silo: str) -> None:
    owner, role = f"{silo}_owner", f"{silo}_service"
    for each in (owner, role):
        server.query(f"CREATE ROLE {each} LOGIN PASSWORD '{each}'")
    server.query(f"CREATE DATABASE {silo} OWNER {owner} TEMPLATE template0")
    url = make_conninfo(server.dsn, dbname=silo, user=owner, password=owner)
    migrations.migrate(f"{silo}_svc", url, role)


def _no_servers() -> str:
    """Return why no family can be made here, or nothing."""
    try:
        programs = find_binaries()
    except NoPostgres as none:
        return str(none)
    missing = [each for each in _PROGRAMS if not (programs / each).exists()]
    return f"{programs} has no {', '.join(missing)}" if missing else ""
