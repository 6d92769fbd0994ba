"""Figures: one aggregation over the facts per metric, so that a replay cannot change them.

Shares and minutes are of the trips requested in a bucket; a trip is the business of the hospital
that asked for it and of the agency that carries it. A drop is that of the agency that gave the job
back, whoever carries the trip now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from center_svc.domain.metrics import Figure, Metric
from chassis.sql import Statement, columns, written
from chassis.unit_of_work import Rows
from chassis.vocabulary import TripStatus, UnitStatus

_ENDED = f"('{TripStatus.COMPLETED}', '{TripStatus.CANCELLED}', '{TripStatus.EXPIRED}')"
_BUSY = ", ".join(
    f"'{each}'"
    for each in (
        UnitStatus.RESERVED,
        UnitStatus.EN_ROUTE,
        UnitStatus.AT_PICKUP,
        UnitStatus.TRANSPORTING,
        UnitStatus.AT_DESTINATION,
    )
)
_OF_ORGANIZATION = (
    "(%(organization_id)s::uuid IS NULL OR trip.hospital_id = %(organization_id)s::uuid"
    " OR trip.agency_id = %(organization_id)s::uuid)"
)
# Also trips that it gave back.
_OF_DROPS = (
    f"({_OF_ORGANIZATION} OR EXISTS (SELECT FROM drop_fact AS given"
    " WHERE given.hospital_id = trip.hospital_id"
    " AND given.transport_request_id = trip.transport_request_id"
    " AND given.agency_id = %(organization_id)s::uuid))"
)
_OF_AGENCY = "(%(organization_id)s::uuid IS NULL OR agency_id = %(organization_id)s::uuid)"
_BUCKET = "date_bin(%(bucket)s, requested_at, %(since)s)"
_PERCENTILES = "CROSS JOIN (VALUES ('p50', 0.5), ('p90', 0.9)) AS percentile (name, share)"
_SPAN = "hospital_version > 0 AND requested_at >= %(since)s AND requested_at < %(until)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """From ``since``, before ``until``, in buckets; None is every organization."""

    organization_id: UUID | None
    since: datetime
    until: datetime
    bucket: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose figures a statement makes: its organization's, what it joins, and which rows."""

    organization: str
    join_trips: str
    of_trips: str
    join_drops: str
    of_drops: str
    join_units: str
    of_units: str


ONE = Whose(
    organization="%(organization_id)s::uuid",
    join_trips="",
    of_trips=_OF_ORGANIZATION,
    join_drops="",
    of_drops=_OF_DROPS,
    join_units="",
    of_units=_OF_AGENCY,
)
# All, and each organization that has any.
EACH = Whose(
    organization="organization_id",
    join_trips="CROSS JOIN LATERAL (SELECT NULL::uuid UNION ALL SELECT trip.hospital_id"
    " UNION ALL SELECT trip.agency_id WHERE trip.agency_id IS NOT NULL) AS whose (organization_id)",
    of_trips="true",
    join_drops="CROSS JOIN LATERAL (SELECT NULL::uuid UNION SELECT trip.hospital_id"
    " UNION SELECT trip.agency_id WHERE trip.agency_id IS NOT NULL"
    " UNION SELECT given.agency_id FROM drop_fact AS given"
    " WHERE given.hospital_id = trip.hospital_id"
    " AND given.transport_request_id = trip.transport_request_id) AS whose (organization_id)",
    of_drops="true",
    join_units="CROSS JOIN LATERAL (SELECT NULL::uuid UNION ALL SELECT agency_id)"
    " AS whose (organization_id)",
    of_units="true",
)

# One aggregation of a metric: organization, bucket, dimension, value, samples.
Aggregation = Callable[[Whose], str]


def _trips(value: str, *, dimension: str = "''", where: str = "true") -> Aggregation:
    return lambda whose: (
        f"SELECT {whose.organization}, {_BUCKET}, {dimension},"  # noqa: S608 - constants
        f" ({value.replace('ORGANIZATION', whose.organization)})::float8, count(*)"
        f" FROM trip_fact AS trip {whose.join_trips}"
        f" WHERE {_SPAN} AND {whose.of_trips} AND {where} GROUP BY 1, 2, 3"
    )


def _minutes_to(moment: str) -> Aggregation:
    minutes = f"extract(epoch FROM {moment} - requested_at) / 60"
    return lambda whose: (
        f"SELECT {whose.organization}, {_BUCKET}, percentile.name,"  # noqa: S608 - constants
        f" percentile_cont(percentile.share) WITHIN GROUP (ORDER BY {minutes}), count(*)"
        f" FROM trip_fact AS trip {whose.join_trips} {_PERCENTILES}"
        f" WHERE {_SPAN} AND {whose.of_trips} AND {moment} IS NOT NULL"
        f" GROUP BY 1, 2, 3, percentile.share"
    )


_COMPLETED = f"status = '{TripStatus.COMPLETED}'"
_BIDS = (
    "SELECT count(*) FROM bid_fact AS bid WHERE bid.hospital_id = trip.hospital_id"
    " AND bid.transport_request_id = trip.transport_request_id"
)
_DROPS = (
    "SELECT count(*) FROM drop_fact AS given WHERE given.hospital_id = trip.hospital_id"
    " AND given.transport_request_id = trip.transport_request_id AND (ORGANIZATION IS NULL"
    " OR ORGANIZATION IN (given.hospital_id, given.agency_id))"
)


def _drops(whose: Whose) -> str:
    whose = replace(whose, join_trips=whose.join_drops, of_trips=whose.of_drops)
    return _trips(f"sum(({_DROPS}))")(whose)


def _utilization(whose: Whose) -> str:
    """Count a unit's interval in every bucket that it overlaps, with the seconds that it does."""
    return f"""
SELECT {whose.organization}, bucket_started_at, '',
       (coalesce(sum(seconds) FILTER (WHERE status IN ({_BUSY})), 0) / sum(seconds))::float8,
       count(*)
FROM (
  SELECT bucket_started_at, agency_id, status, extract(epoch FROM
           least(bucket_started_at + %(bucket)s, %(until)s, coalesce(ended_at, %(now)s))
           - greatest(bucket_started_at, started_at)) AS seconds
  FROM generate_series(%(since)s, %(until)s - interval '1 microsecond', %(bucket)s)
         AS bucket_started_at
  JOIN unit_interval_fact
    ON started_at < least(bucket_started_at + %(bucket)s, %(until)s, %(now)s)
   AND coalesce(ended_at, %(now)s) > bucket_started_at
  WHERE status IN ('{UnitStatus.AVAILABLE}', {_BUSY}) AND {whose.of_units}
) AS overlap {whose.join_units}
GROUP BY 1, 2 HAVING sum(seconds) > 0
"""  # noqa: S608 - constants


AGGREGATIONS: dict[Metric, Aggregation] = {
    Metric.REQUESTS: _trips("count(*)"),
    Metric.OUTCOME_SHARE: _trips(
        f"count(*) / sum(count(*)) OVER (PARTITION BY ORGANIZATION, {_BUCKET})", dimension="status"
    ),
    Metric.BIDS_PER_TRIP: _trips(f"avg(({_BIDS}))"),
    Metric.MINUTES_TO_FIRST_BID: _minutes_to("first_bid_at"),
    Metric.MINUTES_TO_AWARD: _minutes_to("awarded_at"),
    Metric.MINUTES_TO_PICKUP: _minutes_to("picked_up_at"),
    Metric.MINUTES_TO_COMPLETION: _minutes_to("completed_at"),
    Metric.LOADED_RATIO: _trips(
        "sum(loaded_miles) / nullif(sum(loaded_miles + deadhead_miles), 0)",
        where=f"{_COMPLETED} AND loaded_miles + deadhead_miles > 0",
    ),
    Metric.REVENUE: _trips("sum(bid_amount)", where=f"{_COMPLETED} AND bid_amount IS NOT NULL"),
    Metric.DROPS: _drops,
    Metric.CANCELLATIONS: _trips(
        "count(*)", dimension="cancellation_reason", where=f"status = '{TripStatus.CANCELLED}'"
    ),
    Metric.UNIT_UTILIZATION: _utilization,
}
STATEMENTS: dict[Metric, Statement[Figure]] = {
    metric: written(f"{aggregation(ONE)} ORDER BY 2, 3", into=Figure)
    for metric, aggregation in AGGREGATIONS.items()
}

_Count = tuple[str, int]
COUNT_TRIPS: Statement[_Count] = written(
    "SELECT status, count(*) FROM trip_fact AS trip"  # noqa: S608 - constants
    f" WHERE hospital_version > 0 AND status NOT IN {_ENDED} AND {_OF_ORGANIZATION} GROUP BY 1",
    into=lambda status, count: (status, count),
)
COUNT_UNITS: Statement[_Count] = written(
    "SELECT status, count(*) FROM unit_interval_fact"  # noqa: S608 - constants
    f" WHERE ended_at IS NULL AND {_OF_AGENCY} GROUP BY 1",
    into=lambda status, count: (status, count),
)
COUNT_BREACHES: Statement[_Count] = written(
    "SELECT kind, count(*) FROM sla_timer JOIN trip_fact AS trip"  # noqa: S608 - constants
    " USING (hospital_id, transport_request_id)"
    f" WHERE breached_at IS NOT NULL AND status NOT IN {_ENDED} AND {_OF_ORGANIZATION} GROUP BY 1",
    into=lambda kind, count: (kind, count),
)


async def figures(rows: Rows, metric: Metric, query: Query) -> list[Figure]:
    """Return a metric's figures by bucket and dimension; a bucket without data has none."""
    return await rows.all(STATEMENTS[metric], **columns(query))


async def count(
    rows: Rows, statement: Statement[_Count], organization_id: UUID | None
) -> dict[str, int]:
    return dict(await rows.all(statement, organization_id=organization_id))
