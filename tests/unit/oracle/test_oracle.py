"""The oracle believes a true history, and names the guarantee that a false one breaks.

Proves: three or more corruptions per guarantee are each rejected by the check of that name, and
by no other unless they break that too. No I/O.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support import oracle
from tests.support.oracle import Check
from tests.support.reader_corruptions import CORRUPTIONS, Corruption
from tests.support.stories import a_story


def test_a_true_history_is_believed() -> None:
    assert oracle.check(a_story().history()) == []


def test_a_true_history_is_believed_without_the_database() -> None:
    assert oracle.check(a_story().history(with_log=False)) == []


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
