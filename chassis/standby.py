"""Where a silo's own database is in its write-ahead log: behind a commit, or after a replay."""

from __future__ import annotations

from psycopg import AsyncConnection

from chassis.consistency import ReplicaBehind, number
from chassis.pool import Pool

# Up to where the log is safe, once a COMMIT has returned: its own record lies before that. What
# was inserted later, and may never arrive, does not count.
_WRITTEN = b"COMMIT; SELECT pg_current_wal_flush_lsn()::text"
_REACHED = """
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_flush_lsn() END)::text
"""


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
