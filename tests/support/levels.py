"""Stories that start a service level, and looks for those that were missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import transport_requests_pb2 as trips

from center_svc.timers.sla_timers import SlaSweep
from chassis.unit_of_work import Database
from tests.support.center_events import Story
from tests.support.databases import superuser_of
from tests.support.reacting import turn

Tell = Callable[[Story], None]


def requested(story: Story) -> None:
    story.requested()


def awarded(story: Story) -> None:
    story.requested()
    story.bid(4)
    story.awarded(6)


def confirmed(story: Story) -> None:
    awarded(story)
    story.confirmed(6.5)


def on_the_way(story: Story) -> None:
    confirmed(story)
    story.progressed(12, words.TRIP_STATUS_EN_ROUTE)


def asked_to_cancel(story: Story) -> None:
    on_the_way(story)
    story.progressed(14, words.TRIP_STATUS_AT_PICKUP)
    story.hospital(15, trips.CancellationRequested(award_token=str(uuid4())))


async def look(database: Database, story: Story, minute: float) -> None:
    """Look as a process that has just started would, everything being heard up to a minute."""
    sweep, until = SlaSweep(), story.at(minute)
    for silo in ("hospital", "ems"):
        sweep.bookmarked(silo)(until)
    await turn(sweep, database, until)


def announced(dsn: str, story: Story) -> list[str]:
    """Return which of a trip's levels were announced as missed, in that order."""
    query = "SELECT subject FROM outbox WHERE subject LIKE %s ORDER BY id"
    found = sql(dsn, query, f"sla_timers/{story.trip_id}/%")
    return [row[0].rpartition("/")[2] for row in found]


def sql(dsn: str, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(superuser_of(dsn), autocommit=True) as admin:
        return admin.execute(text.encode(), parameters or None).fetchall()
