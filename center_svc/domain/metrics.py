"""What can be asked about the mesh, and in which unit the answer is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class Metric(StrEnum):
    REQUESTS = "REQUESTS"
    OUTCOME_SHARE = "OUTCOME_SHARE"
    BIDS_PER_TRIP = "BIDS_PER_TRIP"
    MINUTES_TO_FIRST_BID = "MINUTES_TO_FIRST_BID"
    MINUTES_TO_AWARD = "MINUTES_TO_AWARD"
    MINUTES_TO_PICKUP = "MINUTES_TO_PICKUP"
    MINUTES_TO_COMPLETION = "MINUTES_TO_COMPLETION"
    LOADED_RATIO = "LOADED_RATIO"
    REVENUE = "REVENUE"
    DROPS = "DROPS"
    CANCELLATIONS = "CANCELLATIONS"
    UNIT_UTILIZATION = "UNIT_UTILIZATION"


class BucketSize(StrEnum):
    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def length(self) -> timedelta:
        return timedelta(hours=1) if self is BucketSize.HOUR else timedelta(days=1)


class StaleFacts(StrEnum):
    """What changed since a bucket's figures were made; a unit's time also changes what follows."""

    TRIPS = "TRIPS"
    UNITS = "UNITS"


_COUNTS = {Metric.REQUESTS, Metric.DROPS, Metric.CANCELLATIONS, Metric.BIDS_PER_TRIP}
_DIMENSIONS = {Metric.OUTCOME_SHARE: "status", Metric.CANCELLATIONS: "reason"}


def unit(metric: Metric) -> str:
    if metric.startswith("MINUTES"):
        return "minutes"
    if metric is Metric.REVENUE:
        return "usd"
    return "count" if metric in _COUNTS else "share"


def category(metric: Metric) -> str:
    if metric is Metric.REVENUE:
        return "money"
    return "units" if metric is Metric.UNIT_UTILIZATION else "trips"


def dimension(metric: Metric) -> str:
    """Name what its figures are broken down by; empty: by nothing."""
    return _DIMENSIONS.get(metric, "percentile" if metric.startswith("MINUTES") else "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one bucket; ``dimension`` is empty where the metric has none.

    ``samples`` is the number of trips, or of units' intervals, that it rests on.
    """

    organization_id: UUID | None
    bucket_started_at: datetime
    dimension: str
    value: float
    samples: int


@dataclass(frozen=True, slots=True)
class KeptFigure:
    """A figure of a series; computed again it keeps its id."""

    id: UUID
    figure: Figure
    computed_at: datetime

    @property
    def key(self) -> str:
        """Return its key within its bucket: whose it is, and its dimension."""
        return f"{self.figure.organization_id or ''}/{self.figure.dimension}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric of one organization, or of all for None; ``since`` and ``until`` bound it."""

    metric: Metric
    size: BucketSize
    organization_id: UUID | None
    since: datetime
    until: datetime
