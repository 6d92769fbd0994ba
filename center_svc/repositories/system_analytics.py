"""The kept figures: each metric one aggregation over the facts, upserted per bucket.

They hold nothing that the facts do not: made again, they are the same rows with the same ids.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from center_svc.domain import metrics
from center_svc.domain.metrics import BucketSize, Figure, KeptFigure, Metric, Series
from center_svc.repositories.analytics import AGGREGATIONS, EACH
from chassis.sql import Statement, written
from chassis.unit_of_work import Rows, UnitOfWork

# Where a page begins behind: a bucket, and the key of one of its figures.
Place = tuple[datetime, str]

# A figure that no fact makes any more goes; one that stayed the same is not written again. Its id
# follows from its key, so that it is the same after a rebuild.
_REFRESH = """
WITH figure (organization_id, bucket_started_at, dimension, value, samples) AS ({aggregation}),
kept AS (
  SELECT organization_id, bucket_started_at, value::numeric(20, 6) AS value, samples,
         coalesce(organization_id::text, '') || '/' || dimension AS dimensions_key
  FROM figure WHERE value IS NOT NULL
), gone AS (
  DELETE FROM system_analytics AS old
  WHERE metric_name = '{name}' AND bucket_seconds = %(bucket_seconds)s
    AND bucket_started_at >= %(since)s AND bucket_started_at < %(until)s
    AND NOT EXISTS (SELECT FROM kept WHERE kept.bucket_started_at = old.bucket_started_at
                                       AND kept.dimensions_key = old.dimensions_key)
)
INSERT INTO system_analytics AS old (id, metric_name, metric_value, metric_unit, bucket_started_at,
  bucket_seconds, category, organization_id, dimensions_key, metadata, computed_at)
SELECT encode(substring(sha256(convert_to(
         '{name}/' || %(bucket_seconds)s::int || '/'
         || extract(epoch FROM bucket_started_at)::bigint || '/' || dimensions_key, 'UTF8'))
         FOR 16), 'hex')::uuid,
       '{name}', value, '{unit}', bucket_started_at, %(bucket_seconds)s, '{category}',
       organization_id, dimensions_key, jsonb_build_object('samples', samples), %(now)s
FROM kept
ON CONFLICT (metric_name, bucket_seconds, bucket_started_at, dimensions_key) DO UPDATE
   SET metric_value = excluded.metric_value, metadata = excluded.metadata,
       computed_at = excluded.computed_at
 WHERE (old.metric_value, old.metadata) IS DISTINCT FROM (excluded.metric_value, excluded.metadata)
"""


def _refresh(metric: Metric) -> Statement[dict[str, object]]:
    return written(
        _REFRESH.format(
            aggregation=AGGREGATIONS[metric](EACH),
            name=metric.lower(),
            unit=metrics.unit(metric),
            category=metrics.category(metric),
        )
    )


REFRESH = {metric: _refresh(metric) for metric in Metric}

# One process refreshes at a time: an older look at the facts must not be written last.
LOCK: Statement[tuple[datetime | None]] = written(
    "SELECT refreshed_at FROM analytics_refresh FOR UPDATE SKIP LOCKED", into=lambda at: (at,)
)
REFRESHED_AT: Statement[tuple[datetime | None]] = written(
    "SELECT refreshed_at FROM analytics_refresh", into=lambda at: (at,)
)
SAVE = written("UPDATE analytics_refresh SET refreshed_at = %(at)s")


def _kept(
    id: UUID,
    organization_id: UUID | None,
    bucket_started_at: datetime,
    dimensions_key: str,
    *rest: Any,  # noqa: ANN401 - the other columns
) -> KeptFigure:
    value, samples, computed_at = rest
    dimension = dimensions_key.partition("/")[2]
    figure = Figure(organization_id, bucket_started_at, dimension, value, samples)
    return KeptFigure(id, figure, computed_at)


def _list(organization: str) -> Statement[KeptFigure]:
    return written(
        f"""
        SELECT id, organization_id, bucket_started_at, dimensions_key, metric_value::float8,
               (metadata ->> 'samples')::int, computed_at
        FROM system_analytics
        WHERE metric_name = %(metric_name)s AND bucket_seconds = %(bucket_seconds)s
          AND organization_id {organization}
          AND bucket_started_at >= %(since)s AND bucket_started_at < %(until)s
          AND (bucket_started_at, dimensions_key) > (%(after_at)s, %(after_key)s)
        ORDER BY bucket_started_at, dimensions_key LIMIT %(fetch)s
        """,  # noqa: S608 - constants
        into=_kept,
    )


LIST_OF_ALL, LIST_OF_ONE = _list("IS NULL"), _list("= %(organization_id)s")


async def lock(uow: UnitOfWork) -> tuple[datetime | None] | None:
    """Take the turn to refresh, and say until when it was done; None: another process has it."""
    return await uow.optional(LOCK)


async def refreshed_at(rows: Rows) -> datetime | None:
    """Return the moment up to which units' time is in the figures; None before the first turn."""
    (at,) = await rows.one(REFRESHED_AT)
    return at


async def save(uow: UnitOfWork, at: datetime) -> None:
    """Say that everything is refreshed up to ``at``."""
    await uow.execute(SAVE, at=at)


async def refresh(
    uow: UnitOfWork,
    metric: Metric,
    size: BucketSize,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> None:
    """Make a metric's figures anew in the buckets from ``since`` on, which begins one."""
    await uow.execute(
        REFRESH[metric],
        bucket=size.length,
        bucket_seconds=int(size.length.total_seconds()),
        since=since,
        until=until,
        now=now,
    )


async def list_oldest(
    rows: Rows, series: Series, *, after: Place | None, fetch: int
) -> list[KeptFigure]:
    """Return a series by bucket and dimension, of those behind ``after``."""
    after_at, after_key = after or (series.since, "")
    return await rows.all(
        LIST_OF_ONE if series.organization_id else LIST_OF_ALL,
        metric_name=series.metric.lower(),
        bucket_seconds=int(series.size.length.total_seconds()),
        organization_id=series.organization_id,
        since=series.since,
        until=series.until,
        after_at=after_at,
        after_key=after_key,
        fetch=fetch,
    )
