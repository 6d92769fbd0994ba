"""The supervisor of one PostgreSQL server, against real ones."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mesh.postgres import PostgresFailed, PostgresServer, free_port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    started = PostgresServer("hospital", free_port(), tmp_path / "closed to others")
    started.start()
    yield started
    started.stop()


def test_a_killed_server_comes_back_with_its_rows(server: PostgresServer) -> None:
    server.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
    server.kill()
    server.wait()
    server.start()
    assert server.psql("SELECT n FROM kept") == "42"


def test_a_server_left_by_a_killed_supervisor_is_taken_over(server: PostgresServer) -> None:
    server.psql("CREATE TABLE kept (n int)")
    successor = PostgresServer("hospital", server.port, server.root)
    successor.start()
    try:
        assert successor.pid != server.wait()
        assert successor.psql("SELECT count(*) FROM kept") == "0"
    finally:
        successor.stop()


def test_nobody_enters_without_the_password(server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn.replace(server.password, "guessed"))


def test_the_password_is_its_owners_alone(server: PostgresServer) -> None:
    (secret,) = server.root.glob("*.password")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_stopped_server_leaves_nothing_listening(server: PostgresServer) -> None:
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn)
    assert not server.ready


def test_what_is_refused_is_not_quoted_in_the_log(server: PostgresServer) -> None:
    server.psql("CREATE TABLE trip (patient text UNIQUE); INSERT INTO trip VALUES ('canary')")
    with pytest.raises(PostgresFailed):
        server.psql("INSERT INTO trip VALUES ('canary')")
    with psycopg.connect(server.dsn) as connection, pytest.raises(psycopg.Error):
        connection.execute("INSERT INTO trip VALUES (%s)", ["canary"])
    with psycopg.connect(server.dsn) as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT %s::int", ["canary"])
    logged = server.log.read_text()
    assert "duplicate key" in logged
    assert "DETAIL" not in logged
    assert "INSERT" not in logged
