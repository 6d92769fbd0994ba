"""What can be asked about the mesh, and in which unit the answer is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


_COUNTS = {Metric.REQUESTS, Metric.DROPS, Metric.CANCELLATIONS, Metric.BIDS_PER_TRIP}


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


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one bucket; ``dimension`` is empty where the metric has none."""

    bucket_started_at: datetime
    dimension: str
    value: float
