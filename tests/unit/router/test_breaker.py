"""When a silo counts as broken, and how it is let in again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from router.breaker import Breaker, State, Ticket


@dataclass
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> Breaker:
    return Breaker(clock=time)


def admitted(breaker: Breaker) -> Ticket:
    ticket = breaker.admit(stream=False)
    assert ticket is not None
    return ticket


def fail(breaker: Breaker) -> None:
    ticket = admitted(breaker)
    breaker.failed(ticket)
    breaker.leave(ticket)


def succeed(breaker: Breaker) -> None:
    ticket = admitted(breaker)
    breaker.succeeded(ticket)
    breaker.leave(ticket)


def test_five_failures_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(4):
        fail(breaker)
    succeed(breaker)
    for _ in range(4):
        fail(breaker)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert str(breaker.state) == State.OPEN
    assert breaker.admit(stream=False) is None
    assert breaker.admit(stream=True) is None


def test_half_of_twenty_failing_within_ten_seconds_opens_it(breaker: Breaker, time: Time) -> None:
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    assert breaker.state is State.CLOSED  # 18 calls are too few
    time.now += 11
    for _ in range(9):
        succeed(breaker)
        fail(breaker)
    assert breaker.state is State.CLOSED  # the first 18 are forgotten
    succeed(breaker)
    fail(breaker)
    assert str(breaker.state) == State.OPEN


def test_thirty_two_calls_older_than_a_second_open_it(breaker: Breaker, time: Time) -> None:
    hanging = [admitted(breaker) for _ in range(31)]
    time.now += 1.1
    hanging.append(admitted(breaker))  # the 32nd is young
    assert breaker.admit(stream=False) is not None
    time.now += 1.1
    assert breaker.admit(stream=False) is None
    assert breaker.state is State.OPEN

    time.now += 1
    breaker.succeeded(admitted(breaker))

    assert str(breaker.state) == State.CLOSED
    admitted(breaker)  # those that still hang do not open it once more


def test_old_streams_are_no_sign_of_anything(breaker: Breaker, time: Time) -> None:
    for _ in range(50):
        assert breaker.admit(stream=True)
    time.now += 100
    assert breaker.admit(stream=True)


def test_one_probe_after_a_second_then_after_twice_the_time(breaker: Breaker, time: Time) -> None:
    for _ in range(5):
        fail(breaker)
    pauses = []
    for _ in range(7):
        begun = time.now
        while (probe := breaker.admit(stream=False)) is None:
            time.now += 0.1
        assert breaker.state is State.HALF_OPEN
        assert breaker.admit(stream=False) is None  # one at a time
        breaker.failed(probe)
        pauses.append(round(time.now - begun))
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_probe_that_is_answered_closes_it(breaker: Breaker, time: Time) -> None:
    for _ in range(5):
        fail(breaker)
    time.now += 1
    succeed(breaker)
    assert breaker.state is State.CLOSED


def test_a_probe_answered_too_slowly_does_not_close_it(breaker: Breaker, time: Time) -> None:
    for _ in range(5):
        fail(breaker)
    time.now += 1
    probe = admitted(breaker)
    time.now += 1.5
    breaker.succeeded(probe)
    assert breaker.state is State.HALF_OPEN


def test_a_probe_that_says_nothing_makes_room_for_another(breaker: Breaker, time: Time) -> None:
    for _ in range(5):
        fail(breaker)
    time.now += 1
    breaker.leave(admitted(breaker))  # its client left
    assert breaker.admit(stream=False) is None
    time.now += 2
    succeed(breaker)
    assert breaker.state is State.CLOSED


def test_a_stream_that_says_nothing_is_in_no_calls_way(breaker: Breaker, time: Time) -> None:
    breaker.trip()
    assert breaker.admit(stream=True) is None
    time.now += 1
    assert breaker.admit(stream=True)
    assert breaker.admit(stream=True) is None  # one at a time
    probe = admitted(breaker)
    assert breaker.admit(stream=False) is None  # of either kind
    breaker.succeeded(probe)
    assert breaker.state is State.CLOSED


def test_a_stream_tells_too_whether_a_silo_is_well(breaker: Breaker, time: Time) -> None:
    breaker.trip()
    time.now += 1
    failing = breaker.admit(stream=True)
    assert failing is not None
    breaker.failed(failing)
    assert breaker.admit(stream=False) is None
    time.now += 2
    stream = breaker.admit(stream=True)  # where nobody calls, nothing else would close it
    assert stream is not None
    breaker.succeeded(stream)
    assert breaker.state is State.CLOSED


def test_a_call_from_before_cannot_close_it(breaker: Breaker) -> None:
    before = admitted(breaker)
    for _ in range(5):
        fail(breaker)
    breaker.succeeded(before)
    assert breaker.state is State.OPEN


def test_a_silo_that_speaks_again_is_tried_at_once(breaker: Breaker) -> None:
    breaker.trip()  # by the probes of its health
    assert breaker.admit(stream=False) is None
    breaker.revived()
    assert str(breaker.state) == State.HALF_OPEN  # nothing is refused any more, though nobody calls
    succeed(breaker)
    assert str(breaker.state) == State.CLOSED
