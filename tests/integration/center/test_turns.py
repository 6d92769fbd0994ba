"""The followings of both silos write the same rows, and do not wait for each other in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from medport.common.v1.event_log_pb2 import EventMetadata, EventPlacement
from psycopg import AsyncConnection
from structlog.testing import capture_logs

from center_svc.server import followings
from center_svc.timers.sla_timers import SlaSweep
from chassis import checkpoint
from chassis.checkpoint import Lease
from chassis.clock import timestamp
from chassis.event_contract import EventContract
from chassis.projection_effects import Effects
from chassis.unit_of_work import Database
from tests.support.center_events import Sent, Story, apply, database_on
from tests.support.databases import superuser_of
from tests.support.waiting import until_blocked

FOLLOWINGS = {each.source: each for each in followings(SlaSweep()) if each.consumer == "center"}
HOLD = "SELECT FROM trip_fact WHERE transport_request_id = ANY(%s) FOR UPDATE"


def frame(source: str, sent: Sequence[Sent]) -> list[Any]:
    """Wrap what a source announced as it comes over the wire, one position after the other."""
    event = EventContract.of(FOLLOWINGS[source].file).event
    fields = {each.message_type: each.name for each in event.DESCRIPTOR.fields}
    return [
        event(
            metadata=EventMetadata(
                subject=f"{source}/{position}",
                subject_version=each.version,
                time=timestamp(each.at),
            ),
            placement=EventPlacement(position=position, epoch=1),
            **{fields[each.payload.DESCRIPTOR]: each.payload},
        )
        for position, each in enumerate(sent, 1)
    ]


async def follow(database: Database, source: str, sent: Sequence[Sent]) -> None:
    """Give one frame its effect, as the process that holds the lease does."""
    async with database.begin(None) as uow:
        held = await checkpoint.acquire(uow, "center", source, "test")
    assert held is not None
    effects = Effects(
        database, FOLLOWINGS[source], Lease("center", source, "test", held.lease_term), held.place
    )
    await effects.apply(frame(source, sent), replace(held.place, position=len(sent), epoch=1))


async def test_two_followings_that_meet_at_two_trips_do_not_deadlock(center_database: str) -> None:
    stories = first, held_one, last, held_other = [Story() for _ in range(4)]
    for story in stories:
        story.requested()
    async with database_on(center_database) as database:
        await apply(database, [event for story in stories for event in story.sent])
        for story in stories:
            story.sent.clear()
            story.awarded(2)
            story.bid(1)
        hospital = [story.sent[0] for story in (first, held_one, last)]
        ems = [story.sent[1] for story in (last, held_other, first)]
        with capture_logs() as logs:
            async with await AsyncConnection.connect(superuser_of(center_database)) as holder:
                await holder.execute(HOLD, [[held_one.trip_id, held_other.trip_id]])
                both = asyncio.gather(
                    follow(database, "hospital", hospital), follow(database, "ems", ems)
                )
                # Each has written its first trip, or waits for its turn.
                await until_blocked(center_database, 2)
                await holder.rollback()
            await both
    # An effect that is postponed was the victim of a deadlock.
    assert {each["event"] for each in logs} == {"applied"}
