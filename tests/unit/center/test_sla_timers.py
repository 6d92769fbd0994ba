"""Service levels: when they are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from center_svc.domain.sla_timers import (
    CLEARED_BY,
    SlaKind,
    accepted,
    awarded,
    cancellation_requested,
    requested,
)
from chassis.vocabulary import TripStatus

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def test_levels_are_due_as_the_domain_says() -> None:
    first_bid, arrival = requested(NOON, after(minutes=30), after(hours=2))
    others = (awarded(NOON), accepted(NOON), cancellation_requested(NOON))
    due = {each.kind: each.due_at for each in (first_bid, arrival, *others)}
    assert due == {
        SlaKind.FIRST_BID: after(minutes=15),
        SlaKind.ARRIVED_PICKUP: after(hours=2),
        SlaKind.AWARD_ANSWER: after(seconds=60),
        SlaKind.EN_ROUTE: after(minutes=10),
        SlaKind.CANCELLATION_ANSWER: after(seconds=60),
    }


def test_every_status_says_what_it_clears() -> None:
    assert set(CLEARED_BY) == set(TripStatus)
    for ended in (TripStatus.COMPLETED, TripStatus.CANCELLED, TripStatus.EXPIRED):
        assert set(CLEARED_BY[ended]) == set(SlaKind)
