"""The oracle believes a true history, and names the guarantee that a false one breaks.

Proves: three or more corruptions per guarantee are each rejected by the check of that name, and
by no other unless they break that too. No I/O.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support import oracle
from tests.support.histories import Log, Outcome, Writers, Written
from tests.support.oracle import Check
from tests.support.oracle_verdicts import TOLD
from tests.support.reader_corruptions import CORRUPTIONS, Corruption
from tests.support.stories import Told, a_story, uuid


def test_a_true_history_is_believed() -> None:
    assert oracle.check(a_story().history()) == []


def test_a_true_history_is_believed_without_the_database() -> None:
    assert oracle.check(a_story().history(with_log=False)) == []


def test_what_was_acknowledged_and_never_sent_is_missed_without_the_database() -> None:
    story = a_story()
    lost = Written(event_id=uuid(70), subject="L", version=1, type="trip", audience=["silo:ems"])
    story.told.append(Told(Outcome.ACKED, [lost]))
    violations = oracle.check(story.history(with_log=False))
    assert [each.check for each in violations] == [Check.RELIABLE]


def test_what_a_cut_back_log_lost_is_not_missed() -> None:
    story = a_story()
    lost = Written(event_id=uuid(70), subject="L", version=1)
    story.told.append(Told(Outcome.ACKED, [lost]))
    history = story.history()
    history.writers.lose([uuid(70)])
    assert oracle.check(history) == []


def test_a_reader_that_leaves_is_owed_nothing_more() -> None:
    story = a_story()
    del story.readers["all"].streams[1].frames[-1]
    story.readers["all"].has_left = True
    assert oracle.check(story.history()) == []


def test_a_log_read_from_its_middle_on_is_judged_from_there() -> None:
    story = a_story()
    history = story.history()
    history.log = Log(story.rows[5:], first=6)
    history.writers = Writers()
    history.is_whole = False
    history.subscribers.clear()
    history.ledgers.clear()
    assert oracle.check(history) == []


def test_of_many_violations_the_first_are_told() -> None:
    story = a_story()
    story.effects = [(uuid(80), 1)] * 1_000
    told = [str(each) for each in oracle.check(story.history())]
    assert len(told) == TOLD
    assert told[0] == (
        "ExactlyOnceEffect: ems at 1: an effect of what is not in the log, or not for it"
    )


def test_each_guarantee_is_broken_in_three_ways() -> None:
    ways = Counter(each.check for each in CORRUPTIONS)
    assert set(ways) == set(Check)
    assert min(ways.values()) >= 3


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=str)
def test_a_false_history_is_rejected_by_the_check_of_what_it_breaks(
    corruption: Corruption,
) -> None:
    story = a_story()
    corruption.corrupt(story)
    violations = oracle.check(story.history())
    assert {each.check for each in violations} == {corruption.check, *corruption.beside}
