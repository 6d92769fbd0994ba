"""What happens after it was due was missed, as what does not happen is: announced once.

Proves: whichever silo is heard first, however often its events come, and whoever else holds the
row; a level that the other silo may yet say was met waits for it; one that was met or not needed
any more in time stays quiet, though the hospital heard late of it; nobody is blamed for what was
missed before their turn; old misses are no news.
Run: ``python -m pytest tests/integration/center/test_late_levels.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

import pytest
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2 as jobs
from medport.hospital.events.v1 import transport_requests_pb2 as trips

from center_svc.domain.sla_timers import SlaKind
from center_svc.timers.sla_timers import SlaSweep
from chassis.clock import timestamp
from chassis.reactions import Due, Outcome
from chassis.unit_of_work import Database
from tests.support.center_events import NOON, Sent, Story, apply, database_on
from tests.support.levels import (
    Tell,
    announced,
    asked_to_cancel,
    awarded,
    confirmed,
    look,
    on_the_way,
    requested,
    sql,
)
from tests.support.waiting import until_blocked

EN_ROUTE, AT_PICKUP = words.TRIP_STATUS_EN_ROUTE, words.TRIP_STATUS_AT_PICKUP


@pytest.fixture
async def database(center_database: str) -> AsyncIterator[Database]:
    async with database_on(center_database) as opened:
        yield opened


def expired(story: Story) -> None:
    gone = trips.TransportRequestExpired(expire_time=timestamp(story.at(31)))
    story.hospital(31, gone)


def yes(story: Story, minute: float) -> None:
    """Let EMS let the trip go, and the hospital end it."""
    story.ems(minute, jobs.CancellationConfirmed(job=story.job))
    story.cancelled(minute + 0.1)


# What starts each kind, when it is due, and how it ends too late.
LATE: dict[SlaKind, tuple[Tell, float, list[Tell]]] = {
    SlaKind.FIRST_BID: (
        requested,
        15,
        [lambda s: s.bid(16), lambda s: s.cancelled(16), expired],
    ),
    SlaKind.AWARD_ANSWER: (
        awarded,
        7,
        [
            lambda s: s.confirmed(8),
            lambda s: s.reopened(8),
            lambda s: s.cancelled(8),
        ],
    ),
    SlaKind.EN_ROUTE: (confirmed, 16.5, [lambda s: s.progressed(18, EN_ROUTE)]),
    SlaKind.ARRIVED_PICKUP: (on_the_way, 120, [lambda s: s.progressed(121, AT_PICKUP)]),
    SlaKind.CANCELLATION_ANSWER: (
        asked_to_cancel,
        16,
        [
            lambda s: s.ems(16.6, jobs.CancellationRefused(job=s.job, reason="PATIENT_ABOARD")),
            lambda s: yes(s, 16.6),
        ],
    ),
}


def as_told(events: Sequence[Sent]) -> Sequence[Sent]:
    return events


def first(source: str) -> Callable[[Sequence[Sent]], Sequence[Sent]]:
    return lambda events: sorted(events, key=lambda each: each.source != source)


@pytest.mark.parametrize(
    "order", [as_told, first("hospital"), first("ems")], ids=["as told", "hospital", "ems"]
)
async def test_what_happens_too_late_is_announced_once(
    database: Database, center_database: str, order: Callable[[Sequence[Sent]], Sequence[Sent]]
) -> None:
    day = 0
    for kind, (start, due, endings) in LATE.items():
        for end in endings:
            story = Story(began=NOON + timedelta(days=(day := day + 1)))
            start(story)
            end(story)
            await apply(database, order(story.sent))
            await look(database, story, due - 0.1)
            assert kind not in announced(center_database, story)  # the other silo may yet speak
            for _ in range(2):
                await look(database, story, due + 0.1)
                assert announced(center_database, story).count(kind) == 1
                await apply(database, [*story.sent, *story.sent])


async def test_who_says_that_it_happened_in_time_is_waited_for(
    database: Database, center_database: str
) -> None:
    story = Story()
    story.requested()
    story.bid(14)
    story.awarded(16)
    created, bid, award = story.sent
    await apply(database, [created, award])
    sweep = SlaSweep()
    sweep.bookmarked("hospital")(story.at(20))
    sweep.bookmarked("ems")(story.at(14))
    assert await sweep.coming(database, until=story.at(20), fetch=10) == []
    await apply(database, [bid])
    await look(database, story, 16.9)
    assert announced(center_database, story) == []


async def test_it_counts_when_it_happened_and_not_when_the_hospital_heard(
    database: Database, center_database: str
) -> None:
    story = Story()
    confirmed(story)
    moved = trips.TransportRequestProgressed(
        status=EN_ROUTE, occur_time=timestamp(story.at(16)), agency_id=str(story.agency_id)
    )
    story.hospital(40, moved)
    asked_to_cancel(other := Story())
    other.ems(15.9, jobs.CancellationConfirmed(job=other.job))
    other.cancelled(40)
    await apply(database, [*story.sent, *other.sent])
    await look(database, story, 50)
    assert announced(center_database, story) == announced(center_database, other) == []


async def test_a_crews_clock_that_is_ahead_makes_nothing_late(
    database: Database, center_database: str
) -> None:
    story = Story()
    awarded(story)
    answered = trips.TransportRequestProgressed(
        status=words.TRIP_STATUS_ACCEPTED, occur_time=timestamp(story.at(9))
    )
    story.hospital(6.5, answered)
    await apply(database, story.sent)
    await look(database, story, 8)
    assert announced(center_database, story) == []


async def test_a_level_missed_while_ems_was_away_stays_missed_when_it_starts_again(
    database: Database, center_database: str
) -> None:
    story = Story()
    awarded(story)
    story.reopened(9)
    other = Story(trip_id=story.trip_id, hospital_id=story.hospital_id, _version=10)
    other.awarded(10)  # another agency, which answers at once
    other.progressed(10.1, words.TRIP_STATUS_ACCEPTED)
    await apply(database, [*story.sent, *other.sent])
    await look(database, story, 12)
    assert announced(center_database, story) == [SlaKind.AWARD_ANSWER]
    [(told,)] = sql(center_database, "SELECT data FROM outbox")
    assert CenterEvent.FromString(told).sla_breached.agency_id == ""  # the other is not to blame


async def test_an_answer_to_an_older_question_is_none_to_the_next(
    database: Database, center_database: str
) -> None:
    story = Story()
    asked_to_cancel(story)
    yes_it_is = jobs.CancellationConfirmed(job=story.job)
    story.ems(15.5, yes_it_is)
    answer = story.sent[-1]
    story.reopened(15.6)
    story.awarded(20)
    story.confirmed(20.5)
    story.hospital(21, trips.CancellationRequested())
    await apply(database, [*story.sent, answer])
    await look(database, story, 22.1)
    assert SlaKind.CANCELLATION_ANSWER in announced(center_database, story)


async def test_who_hears_of_it_and_who_announces_it_may_meet(
    database: Database, center_database: str
) -> None:
    story, sweep = Story(), SlaSweep()
    story.requested()
    await apply(database, story.sent)
    story.sent.clear()
    story.bid(16)
    await look(database, story, 14)
    due = Due(None, (story.hospital_id, story.trip_id, SlaKind.FIRST_BID), story.at(15))

    async def react() -> Outcome:
        async with database.begin(None) as uow:
            return await sweep.react(uow, due, lambda: story.at(17))

    async with database.begin(None) as announcing:
        assert await sweep.react(announcing, due, lambda: story.at(17)) is Outcome.DONE
        hearing = asyncio.ensure_future(apply(database, story.sent))
        await until_blocked(center_database, 1)
    await hearing
    assert await react() is Outcome.MOVED_ON
    assert announced(center_database, story) == [SlaKind.FIRST_BID]

    other = Story(began=NOON + timedelta(days=1))
    other.requested()
    other.bid(16)
    await apply(database, other.sent)
    due = Due(None, (other.hospital_id, other.trip_id, SlaKind.FIRST_BID), other.at(15))
    assert [await react(), await react()] == [Outcome.DONE, Outcome.MOVED_ON]
    assert announced(center_database, other) == [SlaKind.FIRST_BID]


async def test_what_was_missed_long_ago_is_no_news(
    database: Database, center_database: str
) -> None:
    story = Story()
    story.requested()
    story.bid(16)
    await apply(database, story.sent)
    await look(database, story, 15 + 24 * 60 + 0.1)
    assert SlaKind.FIRST_BID not in announced(center_database, story)
