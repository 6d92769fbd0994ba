"""An allowance is used up at once, comes back evenly, and is everybody's own. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chassis.rates import Rate, Rates


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def rates(time: Time) -> Rates:
    return Rates(Rate(per_second=50, burst=100), time, most_remembered=3)


def taken(rates: Rates, subject: str, uses: int) -> int:
    return [rates.take(subject) for _ in range(uses)].count(0.0)


def test_a_burst_is_allowed_and_then_fifty_a_second(rates: Rates, time: Time) -> None:
    assert taken(rates, "a", 150) == 100
    assert rates.take("a") == pytest.approx(0.02)
    time.now += 1
    assert taken(rates, "a", 150) == 50
    time.now += 60
    assert taken(rates, "a", 150) == 100


def test_who_waits_as_told_is_let_in(rates: Rates, time: Time) -> None:
    taken(rates, "a", 100)
    time.now += rates.take("a") + 1e-9
    assert rates.take("a") == 0.0


def test_everybody_has_an_allowance_of_their_own(rates: Rates) -> None:
    assert taken(rates, "a", 200) == 100
    assert taken(rates, "b", 200) == 100


def test_what_is_given_back_can_be_used_again(rates: Rates) -> None:
    taken(rates, "a", 100)
    for _ in range(5):
        rates.give_back("a")
    assert taken(rates, "a", 100) == 5
    rates.give_back("never seen")


def test_who_was_heard_longest_ago_is_forgotten(rates: Rates) -> None:
    for subject in "abca":
        taken(rates, subject, 100)
    taken(rates, "d", 1)  # "b", the one heard longest ago, goes
    assert rates.take("a") > 0.0
    assert taken(rates, "b", 100) == 100
