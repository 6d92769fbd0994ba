"""More ways in which a true history becomes false: of what readers were sent, and what they did."""

from __future__ import annotations

from dataclasses import replace

from tests.support.corruptions import CORRUPTIONS, Corruption, breaks, told_of
from tests.support.histories import Origin, Outcome
from tests.support.oracle import Check
from tests.support.stories import Frame, Sent, Story, Told, uuid

__all__ = ["CORRUPTIONS", "Corruption"]

# ---------------------------------------------------------------- Bookmarkable


@breaks(Check.BOOKMARKABLE)
def a_bookmark_lies_ahead_of_what_comes_next(story: Story) -> None:
    frames = story.readers["ems"].streams[1].frames
    frames[2:] = [Frame(10, 8), Frame(12, 10, (story.rows[9], story.rows[10]))]


@breaks(Check.BOOKMARKABLE)
def a_bookmark_falls_back(story: Story) -> None:
    frames = story.readers["ems"].streams[1].frames
    frames[3:] = [Frame(8, 9), Frame(12, 8, (story.rows[9], story.rows[10]))]


@breaks(Check.BOOKMARKABLE)
def an_event_lies_beyond_the_position_of_its_frame(story: Story) -> None:
    frames = story.readers["all"].streams[1].frames
    frames[2:] = [
        Frame(9, 8, (story.rows[8], story.rows[9])),
        Frame(12, 9, (story.rows[10], story.rows[11])),
    ]


# ---------------------------------------------------------------- Resumable


@breaks(Check.RESUMABLE)
def a_stream_resumes_behind_its_token(story: Story) -> None:
    story.readers["ems"].streams[1].frames[:2] = [Frame(8, 8, opens=True)]


@breaks(Check.RESUMABLE)
def a_resumed_stream_leaves_out_what_follows_its_token(story: Story) -> None:
    story.resend("ems", 1, 1, [8])


@breaks(Check.RESUMABLE, Check.RELIABLE)
def a_token_is_honoured_from_before_the_log_was_cut_back(story: Story) -> None:
    row = story.rows
    phantom = row[2]._replace(event_id=uuid(98))
    first = [Frame(0, 0, opens=True), Frame(3, 0, (row[0], row[1], phantom))]
    second = [Frame(3, 3, opens=True), Frame(4, 3, (row[3],))]
    story.readers["cut"].streams = [Sent(Origin.EARLIEST, first), Sent(3, second)]


@breaks(Check.RESUMABLE)
def a_stream_resumes_where_its_reader_never_was(story: Story) -> None:
    story.readers["cut"].streams[1] = Sent(
        3, [Frame(3, 3, opens=True), Frame(4, 3, (story.rows[3],))], truncated=1
    )


# ---------------------------------------------------------------- Reliable


@breaks(Check.RELIABLE)
def an_acknowledged_event_is_not_in_the_log(story: Story) -> None:
    written = replace(story.told[0].events[0], event_id=uuid(60), subject="G")
    story.told.append(Told(Outcome.ACKED, [written]))


@breaks(Check.RELIABLE)
def a_rolled_back_event_is_in_the_log(story: Story) -> None:
    told = told_of(story, uuid(9))
    told.outcome = Outcome.ROLLED_BACK


@breaks(Check.RELIABLE)
def an_event_is_left_out(story: Story) -> None:
    story.resend("all", 1, 2, [10])


@breaks(Check.RELIABLE)
def nobody_wrote_an_event_of_the_log(story: Story) -> None:
    event = story.rows[8]
    story.replace_event(event, event._replace(event_id=uuid(61)))
    told = told_of(story, uuid(10))
    told.events[0] = replace(told.events[0], causes=[])


@breaks(Check.RELIABLE)
def an_event_says_something_else_than_was_written(story: Story) -> None:
    event = story.rows[8]
    story.replace_event(event, event._replace(subject="Z"))


@breaks(Check.RELIABLE)
def a_subscriber_is_sent_what_the_log_never_had(story: Story) -> None:
    told = story.frame("all", 1, 2)
    phantom = told.events[0]._replace(event_id=uuid(62))
    story.reframe("all", 1, 2, replace(told, events=(phantom, told.events[1])))


@breaks(Check.RELIABLE)
def the_newest_events_never_come(story: Story) -> None:
    del story.readers["all"].streams[1].frames[-1]


@breaks(Check.RELIABLE)
def the_earliest_events_are_withheld(story: Story) -> None:
    frames = story.readers["all"].streams[0].frames
    frames[:2] = [Frame(1, 1, opens=True)]


# ---------------------------------------------------------------- Filtered


@breaks(Check.FILTERED)
def a_matching_event_is_left_out(story: Story) -> None:
    story.resend("ems", 1, 3, [11])


@breaks(Check.FILTERED)
def an_event_of_another_type_is_sent(story: Story) -> None:
    story.reframe("ems", 1, 2, Frame(9, 8, (story.rows[8],)))


@breaks(Check.FILTERED)
def an_event_for_others_is_sent(story: Story) -> None:
    story.resend("ems", 1, 3, [10, 11, 12])


# ---------------------------------------------------------------- ExactlyOnceEffect


@breaks(Check.EXACTLY_ONCE_EFFECT)
def an_effect_is_lost(story: Story) -> None:
    del story.effects[4]


@breaks(Check.EXACTLY_ONCE_EFFECT)
def an_effect_is_had_twice(story: Story) -> None:
    story.effects.insert(5, story.effects[4])


@breaks(Check.EXACTLY_ONCE_EFFECT)
def an_effect_is_had_of_what_was_never_logged(story: Story) -> None:
    story.effects.append((uuid(20), 11))


@breaks(Check.EXACTLY_ONCE_EFFECT)
def a_later_version_has_its_effect_first(story: Story) -> None:
    story.effects[0], story.effects[3] = story.effects[3], story.effects[0]
