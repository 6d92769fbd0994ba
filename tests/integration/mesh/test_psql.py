"""What ``medport psql`` prints, and what it cannot be talked into, against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from mesh import databases, psql, secrets
from mesh.ports import WANTED
from mesh.postgres import PostgresFailed, PostgresServer, free_port
from mesh.state import DataDirectory, State

KEPT = """
CREATE TABLE kept (tenant int, n int);
INSERT INTO kept VALUES (1, 41), (2, 42);
ALTER TABLE kept ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept FORCE ROW LEVEL SECURITY;
ALTER TABLE kept OWNER TO ems_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON kept TO ems_service;
CREATE SEQUENCE counted;
CREATE FUNCTION forget() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM kept';
REVOKE EXECUTE ON FUNCTION forget FROM PUBLIC;
"""
# What a session can do about its beginning read-only.
OPEN = "SET default_transaction_read_only = off;"
DELETE = "DELETE FROM kept;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    root = tmp_path_factory.mktemp("mesh") / "data" / "postgres"
    started = PostgresServer("ems-postgres", free_port(), root)
    started.start()
    secrets.generate(root.parent / "secrets")
    for _ in range(2):  # as each ``medport up`` does
        databases.prepare(started, "ems", root.parent / "secrets")
    started.psql(KEPT, database="ems")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def data(server: PostgresServer) -> Iterator[DataDirectory]:
    """A directory whose mesh runs: of it, the one server."""
    found = DataDirectory(server.root.parent)
    with found.supervised():
        found.publish(State(supervisor=0, ports={**WANTED, "ems-postgres": server.port}))
        yield found


def read(data: DataDirectory, statements: str) -> str:
    return psql.run(data, "ems", statements, write=False)


def test_rows_come_with_their_headers_and_their_count(data: DataDirectory) -> None:
    printed = read(data, "SELECT tenant,\n       n AS number\n  FROM kept\n ORDER BY n")
    assert printed.splitlines() == [
        " tenant | number ",
        "--------+--------",
        "      1 |     41",
        "      2 |     42",
        "(2 rows)",
    ]


def test_each_of_several_statements_is_answered(data: DataDirectory) -> None:
    printed = read(data, "SELECT 1 AS one; SELECT 2 AS two;\nSELECT n FROM kept WHERE false")
    assert [line.strip() for line in printed.splitlines() if line.strip("-")] == [
        *("one", "1", "(1 row)", "two", "2", "(1 row)", "n", "(0 rows)")
    ]


def test_a_row_too_wide_for_the_terminal_is_printed_line_by_line(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = read(data, "SELECT repeat('a', 50) AS first, repeat('b', 50) AS second")
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert f"second | {'b' * 50}" in printed


@pytest.mark.parametrize("before", ["", OPEN], ids=["as it is", "made read-write"])
@pytest.mark.parametrize(
    "statements",
    [
        DELETE,
        f"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; {DELETE}",
        f"BEGIN READ WRITE; {DELETE} COMMIT",
        "UPDATE kept SET n = 0",
        "INSERT INTO kept VALUES (3, 43)",
        "TRUNCATE kept",
        "SELECT * FROM kept FOR UPDATE",
        "BEGIN; LOCK TABLE kept",
        "DROP TABLE kept",
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "SELECT nextval('counted')",
        "SELECT forget()",
        f"DO $$ BEGIN {DELETE} END $$",
        "COPY kept FROM PROGRAM 'echo 3,43' CSV",
        "GRANT ems_owner TO ems_reader",
        "ALTER ROLE ems_reader SUPERUSER",
        "SET ROLE ems_owner",
        "SET ROLE ems_service",
        "SET SESSION AUTHORIZATION postgres",
        r"\connect - postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    ],
)
def test_no_words_make_a_reader_write(
    data: DataDirectory, server: PostgresServer, before: str, statements: str
) -> None:
    kept = _everything(server)
    with pytest.raises(PostgresFailed, match=r"permission denied|read-only|password|must be owner"):
        read(data, f"{before}\n{statements}")
    assert _everything(server) == kept


def test_who_writes_says_so(data: DataDirectory, server: PostgresServer) -> None:
    said = psql.run(data, "ems", "INSERT INTO kept VALUES (3, 43); DELETE FROM kept", write=True)
    assert said.splitlines() == ["INSERT 0 1", "DELETE 3"]
    server.psql("INSERT INTO kept VALUES (1, 41), (2, 42)", database="ems")


def test_what_others_do_is_seen(data: DataDirectory, server: PostgresServer) -> None:
    with psycopg.connect(server.dsn) as other:
        other.execute("SELECT 'a long transaction'")
        printed = read(
            data,
            "SELECT state, query FROM pg_stat_activity WHERE usename = 'postgres' AND state <> ''",
        )
    assert "idle in transaction | SELECT 'a long transaction'" in printed


def _everything(server: PostgresServer) -> str:
    """Return the rows, and whatever else a writer could have left."""
    return server.psql(
        "SELECT * FROM kept ORDER BY n; SELECT last_value, is_called FROM counted;"
        " SELECT relname FROM pg_class WHERE relname = 'mine';"
        " SELECT count(*) FROM pg_namespace; SELECT rolname, rolsuper FROM pg_roles ORDER BY 1;"
        " SELECT count(*) FROM pg_auth_members",
        database="ems",
    )
