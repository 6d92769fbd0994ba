"""A trip that is open again is waited for again: for a bid, and for a unit at its door.

Proves: each window has its own first bid, whichever silo is heard first; a level that was missed
is announced once, however often it is missed; a changed need moves what has not run out, and
neither forgives nor makes late what has.
Run: ``python -m pytest tests/integration/center/test_levels_again.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.domain.sla_timers import SlaKind
from chassis.unit_of_work import Database
from tests.support.center_events import Sent, Story, apply, database_on
from tests.support.levels import announced, look, on_the_way

HOSPITAL_FIRST, EMS_FIRST = ("hospital", "ems"), ("ems", "hospital")
orders = pytest.mark.parametrize("order", [HOSPITAL_FIRST, EMS_FIRST], ids=lambda each: each[0])


@pytest.fixture
async def database(center_database: str) -> AsyncIterator[Database]:
    async with database_on(center_database) as opened:
        yield opened


def dropped_at_the_door() -> Story:
    story = Story()
    on_the_way(story)
    story.progressed(14, words.TRIP_STATUS_AT_PICKUP)
    story.dropped(20)
    return story


def ordered(events: Sequence[Sent], order: tuple[str, str]) -> Sequence[Sent]:
    return sorted(events, key=lambda each: order.index(each.source))


@orders
async def test_an_open_trip_is_waited_for_again(
    database: Database, center_database: str, order: tuple[str, str]
) -> None:
    story = dropped_at_the_door()
    await apply(database, ordered(story.sent, order))
    await look(database, story, 35)  # half of the new window
    assert announced(center_database, story) == []
    await look(database, story, 35.1)
    assert announced(center_database, story) == [SlaKind.FIRST_BID]
    for _ in range(2):
        await look(database, story, 120.1)
        assert announced(center_database, story) == [SlaKind.FIRST_BID, SlaKind.ARRIVED_PICKUP]


@orders
async def test_a_new_bid_and_a_new_arrival_in_time_are_enough(
    database: Database, center_database: str, order: tuple[str, str]
) -> None:
    story = dropped_at_the_door()
    story.bid_id = uuid4()
    story.bid(34)
    story.awarded(36)
    story.confirmed(36.5)
    story.progressed(40, words.TRIP_STATUS_EN_ROUTE)
    story.progressed(119, words.TRIP_STATUS_AT_PICKUP)
    await apply(database, ordered(story.sent, order))
    await look(database, story, 200)
    assert announced(center_database, story) == []


async def test_a_second_miss_is_announced_no_second_time(
    database: Database, center_database: str
) -> None:
    story = Story()
    story.requested()
    await apply(database, story.sent)
    await look(database, story, 16)
    story.bid(17)
    story.awarded(18)
    story.confirmed(18.5)
    story.progressed(20, words.TRIP_STATUS_AT_PICKUP)
    story.dropped(21)
    await apply(database, story.sent)
    await look(database, story, 60)
    assert announced(center_database, story) == [SlaKind.FIRST_BID]


@pytest.mark.parametrize(
    ("changed", "due"),
    [(5, 10), (12, 12)],
    ids=["the half that is left", "not before it was asked"],
)
async def test_a_shorter_window_has_an_earlier_half(
    database: Database, center_database: str, changed: float, due: float
) -> None:
    story = Story()
    story.requested()
    story.updated(changed, latest_pickup=20)
    await apply(database, story.sent)
    await look(database, story, due)
    assert announced(center_database, story) == []
    await look(database, story, due + 0.1)
    assert announced(center_database, story) == [SlaKind.FIRST_BID]


@orders
async def test_a_shorter_window_makes_no_bid_late_that_was_there(
    database: Database, center_database: str, order: tuple[str, str]
) -> None:
    story = Story()
    story.requested()
    story.bid(11)
    story.updated(12, latest_pickup=20)
    await apply(database, ordered(story.sent, order))
    await look(database, story, 19)
    assert announced(center_database, story) == []


async def test_a_later_pickup_does_not_forgive_that_nobody_came(
    database: Database, center_database: str
) -> None:
    story = Story()
    on_the_way(story)
    story.updated(119, latest_pickup=130)  # still in time
    story.updated(131, latest_pickup=180)
    await apply(database, story.sent)
    await look(database, story, 130)
    assert announced(center_database, story) == []
    await look(database, story, 131)
    assert announced(center_database, story) == [SlaKind.ARRIVED_PICKUP]
