"""A log is complete until the latest moment of which nothing is staged any more."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.stream_completeness import Completeness, Look


def at(second: int) -> Timestamp:
    return Timestamp(seconds=second)


def until(known: Completeness, position: int) -> int | None:
    moment = known.until(position)
    return None if moment is None else moment.seconds


def test_with_nothing_staged_all_that_was_committed_is_at_or_below_the_head() -> None:
    known = Completeness()
    known.look(Look(at(1), None, None, 10))
    assert (until(known, 10), until(known, 9)) == (1, None)


def test_a_log_that_is_never_quiet_is_complete_until_what_was_staged_then_is_in_it() -> None:
    known = Completeness()
    known.look(Look(at(1), 5, 7, 10))
    assert until(known, 10) is None
    known.look(Look(at(2), 7, 9, 12))  # 7 is staged yet
    assert until(known, 12) is None
    known.look(Look(at(3), 8, 11, 13))
    assert until(known, 13) == 1  # of the second look nothing is known: 9 may be staged
    known.look(Look(at(4), 12, 12, 17))
    assert (until(known, 17), until(known, 16)) == (3, 1)


def test_a_reader_behind_is_told_of_the_moment_that_it_has_reached() -> None:
    known = Completeness()
    for second in (1, 2, 3):
        known.look(Look(at(second), None, None, second * 10))
    assert [until(known, position) for position in (9, 10, 29, 30)] == [None, 1, 2, 3]


def test_another_life_of_the_log_knows_nothing() -> None:
    known = Completeness()
    known.look(Look(at(1), 5, 7, 10))
    known.look(Look(at(2), None, None, 10))
    known.forget()
    known.look(Look(at(3), 8, 8, 20))
    assert until(known, 20) is None
