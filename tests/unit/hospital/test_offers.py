"""Waves: preferred agencies first, all open within the first half of the window."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.vocabulary import OfferMode, Priority
from hospital_svc.domain.offers import WINDOWS, Plan, Preference, plan
from tests.support.hospital_values import NOON

FAR = NOON + timedelta(days=1)
A, B, C, D, E = (UUID(int=each) for each in range(1, 6))
AWAY = {D, E}  # suspended, or known to nobody


def planned(mode: OfferMode, *orders: tuple[int, UUID], priority: Priority = Priority.HIGH) -> Plan:
    preferences = [
        Preference(preference_order=order, agency_id=id, can_bid=id not in AWAY)
        for order, id in orders
    ]
    return plan(mode, priority, preferences, latest_pickup_at=FAR, at=NOON)


def waits(of: Plan) -> list[tuple[UUID, int, float]]:
    return [
        (each.agency_id, each.wave, (each.visible_at - NOON).total_seconds()) for each in of.offers
    ]


def test_equal_orders_share_a_wave() -> None:
    found = planned(OfferMode.CASCADE, (2, C), (1, B), (1, A))
    assert waits(found) == [(A, 0, 0), (B, 0, 0), (C, 1, 120)]
    assert found.broadcast_at == NOON + timedelta(seconds=240)


def test_nobody_waits_for_who_cannot_bid() -> None:
    found = planned(OfferMode.CASCADE, (1, D), (2, A), (3, E), (4, B), (4, D), (5, E))
    first, second = [(D, 0, 0), (A, 0, 0)], [(E, 1, 120), (B, 1, 120), (D, 1, 120)]
    assert waits(found) == [*first, *second, (E, 2, 240)]
    assert found.broadcast_at == NOON + timedelta(seconds=240)


def test_where_nobody_preferred_can_bid_everybody_is_asked_at_once() -> None:
    found = planned(OfferMode.CASCADE, (1, D), (2, E))
    assert waits(found) == [(D, 0, 0), (E, 0, 0)]
    assert found.broadcast_at == NOON


def test_preferred_agencies_alone_see_a_preferred_trip() -> None:
    found = planned(OfferMode.PREFERRED, (1, A), (2, B))
    assert waits(found) == [(A, 0, 0), (B, 1, 120)]
    assert found.broadcast_at is None


def test_a_broadcast_has_no_waves_and_a_cascade_without_preferences_is_one() -> None:
    for found in (planned(OfferMode.BROADCAST, (1, A)), planned(OfferMode.CASCADE)):
        assert (found.offers, found.broadcast_at) == ((), NOON)


@pytest.mark.parametrize(("priority", "seconds"), [("URGENT", 60), ("MEDIUM", 300), ("LOW", 300)])
def test_waves_are_as_far_apart_as_the_priority_says(priority: str, seconds: int) -> None:
    found = planned(OfferMode.CASCADE, (1, A), (2, B), priority=Priority(priority))
    assert waits(found)[1][2] == seconds


@given(
    st.sampled_from(OfferMode),
    st.sampled_from(Priority),
    st.lists(
        st.tuples(st.integers(0, 40), st.uuids()), max_size=40, unique_by=lambda each: each[1]
    ),
    st.integers(1, 300),
)
def test_all_waves_open_in_the_first_half(
    mode: OfferMode, priority: Priority, orders: list[tuple[int, UUID]], minutes: int
) -> None:
    preferences = [
        Preference(preference_order=order, agency_id=id, can_bid=True) for order, id in orders
    ]
    latest = NOON + timedelta(minutes=minutes)
    found = plan(mode, priority, preferences, latest_pickup_at=latest, at=NOON)
    window = min(WINDOWS[priority], timedelta(minutes=minutes))
    assert found.offer_expires_at == NOON + window
    openings = [each.visible_at for each in found.offers]
    openings += [found.broadcast_at] if found.broadcast_at else []
    slack = timedelta(milliseconds=1)  # timedelta rounds to microseconds, per wave
    assert all(NOON <= each <= NOON + window / 2 + slack for each in openings)


def test_an_offer_that_is_over_ends_as_it_begins() -> None:
    found = plan(OfferMode.CASCADE, Priority.HIGH, [], latest_pickup_at=NOON, at=FAR)
    assert found.offer_expires_at == FAR
