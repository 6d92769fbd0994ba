"""Ways in which a true history becomes false, each of them breaking one guarantee of the log's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from tests.support.oracle import Check
from tests.support.stories import Frame, Story, Told, uuid

Corrupt = Callable[[Story], None]


class Corruption(NamedTuple):
    """``check`` rejects it; what it breaks beside that, it cannot help."""

    check: Check
    corrupt: Corrupt
    beside: frozenset[Check]

    def __str__(self) -> str:
        return f"{self.check.value}-{self.corrupt.__name__}"


CORRUPTIONS: list[Corruption] = []


def breaks(check: Check, *beside: Check) -> Callable[[Corrupt], Corrupt]:
    def register(corrupt: Corrupt) -> Corrupt:
        CORRUPTIONS.append(Corruption(check, corrupt, frozenset(beside)))
        return corrupt

    return register


def _rewrite(story: Story, position: int, version: int) -> None:
    """Let the first event of the transaction at ``position`` be of another version."""
    event = story.rows[position - 1]
    told = told_of(story, event.event_id)
    told.events[0] = replace(told.events[0], version=version)
    story.replace_event(event, event._replace(version=version))


def told_of(story: Story, id: UUID) -> Told:
    """Return what the writer of the transaction that begins with the event ``id`` was told."""
    return next(told for told in story.told if told.events[0].event_id == id)


# ---------------------------------------------------------------- Ordered


@breaks(Check.ORDERED)
def two_events_of_a_frame_are_swapped(story: Story) -> None:
    story.resend("all", 1, 2, [10, 9])


@breaks(Check.ORDERED)
def a_transaction_comes_backwards(story: Story) -> None:
    story.resend("all", 1, 1, [8, 7, 6])


@breaks(Check.ORDERED)
def a_frame_begins_with_its_last_event(story: Story) -> None:
    story.resend("ems", 0, 1, [4, 1, 2, 3])


# ---------------------------------------------------------------- Unique


@breaks(Check.UNIQUE)
def an_event_comes_twice_in_a_frame(story: Story) -> None:
    story.resend("all", 1, 2, [9, 9, 10])


@breaks(Check.UNIQUE)
def an_event_comes_again_in_the_next_frame(story: Story) -> None:
    story.resend("all", 1, 2, [8, 9, 10])


@breaks(Check.UNIQUE, Check.CAUSAL)
def the_log_has_an_event_at_two_positions(story: Story) -> None:
    again = story.rows[9]._replace(position=13, first=13, index=0, size=1)
    story.rows.append(again)
    frames = story.readers["all"].streams[1].frames
    frames.append(Frame(13, 12, (again,)))
    story.readers["ems"].has_left = True
    story.effects.append((again.event_id, 13))


# ---------------------------------------------------------------- Dense


@breaks(Check.DENSE)
def the_log_lacks_a_position(story: Story) -> None:
    story.told[-1].events.clear()
    last = story.rows.pop()
    before = story.rows.pop()
    moved = [
        before._replace(position=12, first=12),
        last._replace(position=13, first=12),
    ]
    story.rows += moved
    story.readers["all"].streams[1].frames[-1] = Frame(13, 10, tuple(moved))
    story.readers["ems"].streams[1].frames[-1] = Frame(13, 9, (story.rows[9], moved[0]))
    story.effects[-1] = (before.event_id, 12)


@breaks(Check.DENSE)
def a_frame_does_not_follow_the_one_before(story: Story) -> None:
    told = story.frame("all", 1, 2)
    story.reframe("all", 1, 2, replace(told, previous=9))


@breaks(Check.DENSE)
def a_frame_was_lost_on_the_way_that_brought_nothing(story: Story) -> None:
    del story.readers["ems"].streams[1].frames[2]


@breaks(Check.DENSE)
def the_log_has_a_position_twice(story: Story) -> None:
    story.rows.insert(4, story.rows[3])


# ---------------------------------------------------------------- Atomic


@breaks(Check.ATOMIC)
def a_frame_ends_within_a_transaction_and_does_not_say_so(story: Story) -> None:
    told = story.frame("all", 0, 5)
    story.reframe("all", 0, 5, replace(told, continues=False))


@breaks(Check.ATOMIC)
def half_a_transaction_whose_commit_died_is_there(story: Story) -> None:
    told = told_of(story, story.rows[8].event_id)
    told.events.append(replace(told.events[0], event_id=uuid(50), version=2))
    event = story.rows[8]
    story.replace_event(event, event._replace(size=2))


@breaks(Check.ATOMIC)
def two_transactions_are_placed_as_one(story: Story) -> None:
    fourth, fifth = story.rows[3], story.rows[4]
    story.replace_event(fourth, fourth._replace(size=2))
    story.replace_event(fifth, fifth._replace(first=4, index=1, size=2))
    story.resend("ems", 0, 1, [1, 2, 3, 4])


@breaks(Check.ATOMIC)
def a_frame_says_that_an_ended_transaction_goes_on(story: Story) -> None:
    told = story.frame("all", 1, 1)
    story.reframe("all", 1, 1, replace(told, continues=True))


# ---------------------------------------------------------------- Causal


@breaks(Check.CAUSAL)
def version_two_comes_before_version_one(story: Story) -> None:
    _rewrite(story, 1, 2)
    _rewrite(story, 4, 1)


@breaks(Check.CAUSAL)
def a_version_is_left_out(story: Story) -> None:
    _rewrite(story, 10, 5)


@breaks(Check.CAUSAL)
def an_effect_comes_before_its_cause(story: Story) -> None:
    told = told_of(story, uuid(9))
    told.events[0] = replace(told.events[0], causes=[uuid(10)])
