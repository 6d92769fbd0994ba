"""Hours whose facts have changed since their figures were made.

A projector notes them in the transaction that changes the facts, and holds the row until it ends:
whoever refreshes figures meanwhile leaves it, and finds it noted again by another transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from center_svc.domain.metrics import StaleFacts
from chassis.sql import Statement, columns, written
from chassis.unit_of_work import Rows, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleBucket:
    """An hour, and the transaction that noted it last."""

    facts: StaleFacts
    bucket_started_at: datetime
    transaction_version: int


_HOUR = "date_bin('1 hour', {}, '2000-01-01 00:00:00+00')"
# A row that this transaction has noted is locked, and not written again: a replay of the whole log
# would otherwise make as many versions of it as there are events.
_NOTE = """
INSERT INTO stale_bucket (facts, bucket_started_at, transaction_version)
SELECT '{facts}', {hour}, pg_current_xact_id()::text::bigint {source}
ON CONFLICT (facts, bucket_started_at) DO UPDATE
   SET transaction_version = excluded.transaction_version
 WHERE stale_bucket.transaction_version <> excluded.transaction_version
"""
NOTE_TRIP: Statement[dict[str, object]] = written(
    _NOTE.format(
        facts=StaleFacts.TRIPS,
        hour=_HOUR.format("requested_at"),
        source="FROM trip_fact WHERE hospital_id = %(hospital_id)s"
        " AND transport_request_id = %(transport_request_id)s AND hospital_version > 0",
    )
)
NOTE_UNITS: Statement[dict[str, object]] = written(
    _NOTE.format(facts=StaleFacts.UNITS, hour=_HOUR.format("%(at)s::timestamptz"), source="")
)
LIST: Statement[StaleBucket] = written(
    """
    SELECT facts, bucket_started_at, transaction_version FROM stale_bucket
    WHERE bucket_started_at <= %(until)s ORDER BY bucket_started_at, facts LIMIT %(limit)s
    """,
    into=lambda facts, at, version: StaleBucket(
        facts=StaleFacts(facts), bucket_started_at=at, transaction_version=version
    ),
)
# What a projector holds is being noted again: it stays, and nobody waits.
FORGET = written(
    """
    DELETE FROM stale_bucket WHERE ctid = (
      SELECT ctid FROM stale_bucket
       WHERE facts = %(facts)s AND bucket_started_at = %(bucket_started_at)s
         AND transaction_version = %(transaction_version)s
         FOR UPDATE SKIP LOCKED)
    """
)


async def note_trip(uow: UnitOfWork, hospital_id: UUID, transport_request_id: UUID) -> None:
    """Note the hour of a trip's request, if the hospital has spoken of the trip."""
    await uow.execute(NOTE_TRIP, hospital_id=hospital_id, transport_request_id=transport_request_id)


async def note_units(uow: UnitOfWork, at: datetime) -> None:
    """Note that what units did from ``at`` on has changed."""
    await uow.execute(NOTE_UNITS, at=at)


async def list_oldest(rows: Rows, *, until: datetime, limit: int) -> list[StaleBucket]:
    return await rows.all(LIST, until=until, limit=limit)


async def forget(uow: UnitOfWork, stale: StaleBucket) -> None:
    """Forget one that was refreshed, unless it was noted again since it was listed."""
    await uow.execute(FORGET, **columns(stale))
