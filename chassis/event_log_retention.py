"""Keeps the log's partitions in shape: some ahead of the head, none behind the retention."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable
from psycopg.rows import namedtuple_row

from chassis import event_log_metrics as metrics
from chassis import telemetry
from chassis.event_log_connections import keep_connected
from chassis.settings import Retention

UPKEEP_SECONDS = 60.0
MEASURE_SECONDS = 5.0  # an alarm of seconds needs figures of seconds
PARTITION = 1_000_000  # positions; what the first migration made the first partitions of
AHEAD = 2  # empty partitions beyond the one that is written

_EXTEND = "SELECT event_log_extend(%s, %s)"
_TRIM = "SELECT event_log_trim(%s::interval, %s::interval, %s)"
# Holds are what the configuration says now: one it no longer names would keep the log for ever.
_HOLD = """
INSERT INTO event_subscriber (name, retention_hold) SELECT unnest(%(holds)s::text[]), true
ON CONFLICT (name) DO UPDATE SET retention_hold = true WHERE NOT event_subscriber.retention_hold
"""
_RELEASE = """
UPDATE event_subscriber SET retention_hold = false
 WHERE retention_hold AND name <> ALL (%(holds)s::text[]) RETURNING name
"""
_MEASURE = """
SELECT (SELECT count(*) FROM outbox) AS outbox_rows,
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at)), 0)::float8
          FROM outbox) AS outbox_age,
       (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'outbox'::regclass) AS outbox_dead,
       h.first_position, p.upper_bound - 1 - h.last_position AS headroom, p.size
  FROM event_log_head h, (
    SELECT upper_bound, upper_bound - lower_bound AS size
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), '\\((.*?)\\) TO \\((.*?)\\)') AS found,
           LATERAL (SELECT trim('''' FROM found[1])::bigint, trim('''' FROM found[2])::bigint)
             AS bounds (lower_bound, upper_bound)
     WHERE i.inhparent = 'event_log'::regclass
     ORDER BY upper_bound DESC LIMIT 1) p
"""
# How far the log's end may still come before it reaches what a holder needs next, and how long
# that takes at least. At the head nothing is needed yet, and all of the hard cap is left.
_HOLDERS = """
SELECT s.name, s.position + 1 - h.first_position AS positions,
       extract(epoch FROM %(hard_cap)s::interval
                          - coalesce(clock_timestamp() - e.recorded_at, '0'))::float8 AS seconds
  FROM event_subscriber s CROSS JOIN event_log_head h
  LEFT JOIN event_log e ON e.position = greatest(s.position + 1, h.first_position)
 WHERE s.retention_hold
"""


class Upkeep:
    """Once a minute: partitions ahead of the head, and none behind the retention.

    ``holds`` names the subscribers whose unread events are kept up to the hard cap.
    """

    def __init__(
        self, dsn: str, holds: Sequence[str], retention: Retention, partition: int = PARTITION
    ) -> None:
        self._dsn = dsn
        self._holds = {"holds": list(holds)}
        self._retention = retention
        self._partition = partition
        self._is_short = False

    async def run(self) -> None:
        await keep_connected(self._dsn, self._keep)

    async def _keep(self, connection: AsyncConnection) -> None:
        await self.configure(connection)
        while True:
            await self.once(connection)
            for _ in range(round(UPKEEP_SECONDS / MEASURE_SECONDS)):
                await self.measure(connection)
                await asyncio.sleep(MEASURE_SECONDS)

    async def configure(self, connection: AsyncConnection) -> None:
        """Let those hold the log whom the configuration names now, and nobody else."""
        await connection.execute(_HOLD, self._holds)
        released = await (await connection.execute(_RELEASE, self._holds)).fetchall()
        if released:
            telemetry.log.warning("retention_holds_released", names=[name for (name,) in released])

    async def once(self, connection: AsyncConnection) -> None:
        """Extend the log, and trim it; what somebody's lock is in the way of waits a minute."""
        keep, hard_cap = self._retention.keep, self._retention.hard_cap
        for what, statement, parameters in (
            ("extend", _EXTEND, (AHEAD, self._partition)),
            ("trim", _TRIM, (keep, hard_cap, self._partition)),
        ):
            try:
                await connection.execute(statement, parameters)
            except LockNotAvailable:
                telemetry.log.info("event_log_upkeep_postponed", what=what)

    async def measure(self, connection: AsyncConnection) -> None:
        """Show what is left: of the log behind its holders, and of partitions ahead of it."""
        cursor = connection.cursor(row_factory=namedtuple_row)
        row: Any = await (await cursor.execute(_MEASURE)).fetchone()
        metrics.OUTBOX_ROWS.set(row.outbox_rows)
        metrics.OUTBOX_AGE.set(row.outbox_age)
        metrics.OUTBOX_DEAD.set(row.outbox_dead)
        metrics.FIRST.set(row.first_position)
        metrics.LOG_HEADROOM.set(row.headroom)
        self._warn(row.headroom, is_short=row.headroom < row.size)
        await cursor.execute(_HOLDERS, {"hard_cap": self._retention.hard_cap})
        holders: list[Any] = await cursor.fetchall()
        metrics.RETENTION_POSITIONS.clear()  # of those whose hold was released
        metrics.RETENTION_SECONDS.clear()
        for each in holders:
            metrics.RETENTION_POSITIONS.labels(each.name).set(each.positions)
            metrics.RETENTION_SECONDS.labels(each.name).set(each.seconds)

    def _warn(self, headroom: int, *, is_short: bool) -> None:
        """Say it when it begins and not every five seconds: a log without room takes no event."""
        if is_short and not self._is_short:
            telemetry.log.critical("event_log_partitions_run_out", headroom_positions=headroom)
        self._is_short = is_short
