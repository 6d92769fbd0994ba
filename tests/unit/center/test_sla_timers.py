"""Service levels: when they are due, and what is heard before one is called missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from center_svc.domain.sla_timers import (
    CLEARED_BY,
    SlaKind,
    accepted,
    awarded,
    cancellation_requested,
    requested,
)
from center_svc.domain.stream_progress import Heard, is_current
from chassis.vocabulary import TripStatus

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def test_levels_are_due_as_the_domain_says() -> None:
    first_bid, arrival = requested(NOON, after(minutes=30), after(hours=2))
    due = {each.kind: each.due_at for each in (first_bid, arrival)}
    due |= {
        each.kind: each.due_at
        for each in (awarded(NOON), accepted(NOON), cancellation_requested(NOON))
    }
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


@pytest.mark.parametrize(
    ("position", "silent_seconds", "expected"),
    [(110, 0, True), (110, 29, True), (110, 30, False), (2_599, 0, True), (2_600, 0, False)],
)
def test_a_silo_is_heard_when_it_speaks_and_tells_nothing_old(
    position: int, silent_seconds: int, *, expected: bool
) -> None:
    before = [Heard("ems", 100, NOON)]
    now = [Heard("ems", position, NOON)]
    assert is_current(before, now, after(seconds=silent_seconds)) is expected


def test_nothing_is_known_before_the_second_look() -> None:
    heard = [Heard("ems", 100, NOON)]
    assert not is_current([], heard, NOON)
    assert not is_current(heard, [], NOON)
    assert not is_current(heard, [*heard, Heard("hospital", 1, NOON)], NOON)
