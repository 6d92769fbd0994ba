"""Facts taken away, so that the logs can be counted again: what they still tell, and no more."""

from __future__ import annotations

from datetime import UTC, datetime

from chassis.sql import Statement, written
from chassis.unit_of_work import UnitOfWork

CONSUMER = "center"
EVER = datetime(2000, 1, 1, tzinfo=UTC)

# Minutes, not seconds; the live followings wait for their turn meanwhile.
PATIENCE = written(
    "SELECT set_config('statement_timeout', '600s', true),"
    " set_config('idle_in_transaction_session_timeout', '600s', true)"
)
HOLD = written("SELECT refreshed_at FROM analytics_refresh FOR UPDATE")
_Place = tuple[str, int]
POSITIONS: Statement[_Place] = written(
    "SELECT source, position FROM consumer_checkpoint WHERE consumer = %(consumer)s",
    into=lambda source, position: (source, position),
)
# What is parked had no effect, and may have one later; what was discarded never has.
LETTERS: Statement[_Place] = written(
    "SELECT source, position FROM consumer_dead_letter WHERE consumer = %(consumer)s",
    into=lambda source, position: (source, position),
)
# The figures of these hours are made anew, also those of trips that no log knows.
STALE = written(
    """
    INSERT INTO stale_bucket (facts, bucket_started_at, transaction_version)
    SELECT facts, date_bin('1 hour', at, '2000-01-01 00:00:00+00') AS bucket_started_at,
           pg_current_xact_id()::text::bigint
    FROM (SELECT 'TRIPS' AS facts, requested_at AS at FROM trip_fact
           WHERE hospital_version > 0 AND requested_at >= %(since)s
          UNION SELECT 'UNITS', min(started_at) FROM unit_interval_fact
           WHERE started_at >= %(since)s HAVING count(*) > 0) AS gone
    GROUP BY 1, 2
    ON CONFLICT (facts, bucket_started_at) DO UPDATE
       SET transaction_version = excluded.transaction_version
    """
)
_OF_GONE_TRIPS = """
 WHERE (hospital_id, transport_request_id) IN (
   SELECT hospital_id, transport_request_id FROM trip_fact WHERE requested_at >= %(since)s)
"""
# A level is started and met again by the same events; that it was missed is not taken back.
UNMET = written(f"UPDATE sla_timer SET cleared_at = NULL {_OF_GONE_TRIPS}")  # noqa: S608 - as below
FORGET_BIDS = written(f"DELETE FROM bid_fact {_OF_GONE_TRIPS}")  # noqa: S608 - constants
FORGET_DROPS = written(f"DELETE FROM drop_fact {_OF_GONE_TRIPS}")  # noqa: S608 - constants
FORGET_TRIPS = written("DELETE FROM trip_fact WHERE requested_at >= %(since)s")
FORGET_UNITS = written("DELETE FROM unit_interval_fact WHERE started_at >= %(since)s")
REOPEN_UNITS = written("UPDATE unit_interval_fact SET ended_at = NULL WHERE ended_at >= %(since)s")
FORGET_SINCE = [
    STALE,
    UNMET,
    FORGET_BIDS,
    FORGET_DROPS,
    FORGET_TRIPS,
    FORGET_UNITS,
    REOPEN_UNITS,
]
FORGET_ALL = [
    written(f"DELETE FROM {table}")  # noqa: S608 - constants
    for table in ("bid_fact", "drop_fact", "trip_fact", "unit_interval_fact", "system_analytics")
]


async def hold(uow: UnitOfWork) -> None:
    """Wait for whoever makes figures, and keep them from it."""
    await uow.execute(PATIENCE)
    await uow.execute(HOLD)


async def positions(uow: UnitOfWork) -> dict[str, int]:
    """Return how far each source's events have had their effect on the facts."""
    return dict(await uow.all(POSITIONS, consumer=CONSUMER))


async def given_up(uow: UnitOfWork) -> set[_Place]:
    """Return source and position of the events without effect."""
    return set(await uow.all(LETTERS, consumer=CONSUMER))


async def forget(uow: UnitOfWork, since: datetime | None) -> None:
    """Take away the facts of trips asked for since, and of units' time; all of them for None."""
    at = since or EVER
    for statement in FORGET_SINCE:
        await uow.execute(statement, since=at)
    for statement in [] if since else FORGET_ALL:
        await uow.execute(statement)
