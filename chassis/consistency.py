"""How far a database has come: what a write tells its caller, and a later read of a copy asks for.

A position is a place in PostgreSQL's write-ahead log, which is the same in a primary and in every
standby that streams from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import AsyncConnection

from chassis.errors import FailedPrecondition
from chassis.pool import Pool

HEADER = "medport-consistency"

# Up to where the log is safe, once a COMMIT has returned: its own record lies before that. What
# was inserted later, and may never arrive, does not count.
_WRITTEN = b"COMMIT; SELECT pg_current_wal_flush_lsn()::text"
_REACHED = """
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_flush_lsn() END)::text
"""


class ReplicaBehind(FailedPrecondition):
    """The copy does not have yet what the caller has seen or written: the primary has."""

    reason = "REPLICA_BEHIND"

    def __init__(self) -> None:
        super().__init__("this replica has not come that far: ask the primary")


class PrimaryOnly(FailedPrecondition):
    """Only unary calls that change nothing, and read nothing about a patient, are a replica's."""

    reason = "PRIMARY_ONLY"

    def __init__(self) -> None:
        super().__init__("a replica does not serve this: ask the primary")


class Standby:
    """A database that follows another one; what it has replayed once, it will always have."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reached = 0

    async def must_have(self, position: int) -> None:
        """Return when ``position`` has been replayed; raises ReplicaBehind otherwise."""
        if position > self._reached:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(_REACHED)).fetchone()
            self._reached = number(row[0]) if row and row[0] else 0
        if position > self._reached:
            raise ReplicaBehind

    def forget(self) -> None:
        """Ask anew: what comes after a loss may be another server."""
        self._reached = 0


async def commit(connection: AsyncConnection) -> str:
    """Commit, and return the position behind it, in one message."""
    cursor = await connection.execute(_WRITTEN, prepare=False)
    while cursor.nextset():
        pass
    row = await cursor.fetchone()
    return str(row[0]) if row else ""


def token(silo: str, position: str) -> str:
    """Say what a later read must have seen, for a caller to send back as it is."""
    return f"{silo}={position}"


def asked(silo: str, metadata: Iterable[tuple[str, str | bytes]]) -> int | None:
    """Return the furthest position of ``silo`` that a caller names; None when it names none.

    What is no position names none: the primary answers, which is always right.
    """
    beginning = f"{silo}="
    positions = [
        number(str(value).removeprefix(beginning))
        for name, value in metadata
        if name == HEADER and str(value).startswith(beginning)
    ]
    return None if not positions or -1 in positions else max(positions)


def number(position: str) -> int:
    """Return a position, as PostgreSQL writes it, in bytes from the beginning; -1 for none."""
    upper, slash, lower = position.partition("/")
    try:
        return (int(upper, 16) << 32) + int(lower, 16) if slash else -1
    except ValueError:
        return -1
