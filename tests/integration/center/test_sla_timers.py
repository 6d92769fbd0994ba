"""Every kind of service level is kept, met, missed once, and shown to those it concerns.

Proves: each kind starts when it should, stops when what it waits for happens, is announced once
when it does not, whoever looks again, and never for a trip that has moved on; callers see their
own; pages neither skip nor repeat while timers are added and moved.
Run: ``python -m pytest tests/integration/center/test_sla_timers.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from medport.center.v1 import analytics_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2 as jobs

from center_svc.domain.sla_timers import SlaKind
from chassis.clock import timestamp
from chassis.unit_of_work import Database
from tests.support.center_events import NOON, Story, apply, database_on
from tests.support.center_silo import Center, Metadata, center, refusal
from tests.support.levels import (
    Tell,
    announced,
    asked_to_cancel,
    awarded,
    confirmed,
    look,
    on_the_way,
    requested,
)

EN_ROUTE, AT_PICKUP = words.TRIP_STATUS_EN_ROUTE, words.TRIP_STATUS_AT_PICKUP


@pytest.fixture
async def database(center_database: str) -> AsyncIterator[Database]:
    async with database_on(center_database) as opened:
        yield opened


def refused(story: Story) -> None:
    answer = jobs.CancellationRefused(job=story.job, reason="PATIENT_ABOARD")
    story.ems(15.5, answer)


# What starts each kind, when it is due, and what meets it in time.
KINDS: dict[SlaKind, tuple[Tell, float, list[Tell]]] = {
    SlaKind.FIRST_BID: (requested, 15, [lambda s: s.bid(14), lambda s: s.cancelled(14)]),
    SlaKind.AWARD_ANSWER: (
        awarded,
        7,
        [
            lambda s: s.confirmed(6.9),
            lambda s: s.reopened(6.9),
            lambda s: s.cancelled(6.9),
        ],
    ),
    SlaKind.EN_ROUTE: (
        confirmed,
        16.5,
        [lambda s: s.progressed(16, EN_ROUTE), lambda s: s.dropped(16)],
    ),
    SlaKind.ARRIVED_PICKUP: (on_the_way, 120, [lambda s: s.progressed(119, AT_PICKUP)]),
    SlaKind.CANCELLATION_ANSWER: (asked_to_cancel, 16, [refused, lambda s: s.cancelled(15.9)]),
}


async def test_each_kind_is_missed_once_and_never_when_it_was_met(
    database: Database, center_database: str
) -> None:
    for day, (kind, (start, due, meetings)) in enumerate(KINDS.items()):
        began = NOON + timedelta(days=day)  # what was heard is not unheard
        late, in_time = Story(began=began), [Story(began=began) for _ in meetings]
        for story in (late, *in_time):
            start(story)
        for story, meet in zip(in_time, meetings, strict=True):
            meet(story)
        for story in (late, *in_time):
            await apply(database, story.sent)

        await look(database, late, due)  # what is due now is not late yet
        assert kind not in announced(center_database, late)
        for minute in (due + 0.1, due + 0.2):
            await look(database, late, minute)
            assert announced(center_database, late)[-1] == kind
        assert all(kind not in announced(center_database, story) for story in in_time)

        late.sent.clear()
        late.cancelled(due + 1)
        await apply(database, late.sent)  # no later level of it is missed any more
        told = announced(center_database, late)
        await look(database, late, 1000)
        assert announced(center_database, late) == told
        assert told.count(kind) == 1


async def test_a_level_that_starts_again_is_announced_no_second_time(
    database: Database, center_database: str
) -> None:
    story = Story()
    awarded(story)
    await apply(database, story.sent)
    await look(database, story, 8)
    story.sent.clear()
    story.reopened(9)
    story.awarded(10)
    await apply(database, story.sent)
    await look(database, story, 12)
    assert announced(center_database, story).count(SlaKind.AWARD_ANSWER) == 1


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


async def listed(
    silo: Center, caller: Metadata, organization: UUID | None = None, **known: Any
) -> list[tuple[str, str, str]]:
    """List to the last page, and return trip, kind and state of each timer."""
    request = pb.ListSlaTimersRequest(page_size=3, **known)
    request.organization_id = "" if organization is None else str(organization)
    found: list[tuple[str, str, str]] = []
    while not found or request.page_token:
        answer = await silo.analytics.ListSlaTimers(request, metadata=caller)
        found += [_shown(each) for each in answer.sla_timers]
        request.page_token = answer.next_page_token
        if not answer.sla_timers:
            break
    return found


def _shown(timer: pb.SlaTimer) -> tuple[str, str, str]:
    kind, state = pb.SlaKind.Name(timer.kind), pb.SlaState.Name(timer.state)
    return timer.transport_request_id, kind[len("SLA_KIND_") :], state[len("SLA_STATE_") :]


async def test_callers_see_the_timers_of_their_own_trips(silo: Center, database: Database) -> None:
    mine, other = Story(), Story()
    confirmed(mine)
    requested(other)
    await apply(database, [*mine.sent, *other.sent])
    await look(database, mine, 16)
    admin, id, other_id = await silo.login(), str(mine.trip_id), str(other.trip_id)
    nurse = silo.user_of("hospital", "HOSPITAL_STAFF", mine.hospital_id)
    dispatcher = silo.user_of("ems", "EMS_DISPATCHER", mine.agency_id)

    own = [
        (id, "ARRIVED_PICKUP", "RUNNING"),
        (id, "AWARD_ANSWER", "CLEARED"),
        (id, "EN_ROUTE", "RUNNING"),
        (id, "FIRST_BID", "CLEARED"),
    ]
    theirs = [(other_id, "ARRIVED_PICKUP", "RUNNING"), (other_id, "FIRST_BID", "BREACHED")]
    assert await listed(silo, nurse, mine.hospital_id) == own
    assert await listed(silo, dispatcher, mine.agency_id) == own
    every = sorted(own + theirs, key=lambda each: (each[0] != max(id, other_id), each))
    assert await listed(silo, admin) == every
    for known, expected in (
        ({"transport_request_ids": [other_id]}, theirs),
        ({"kinds": [pb.SLA_KIND_EN_ROUTE]}, own[2:3]),
        ({"states": [pb.SLA_STATE_BREACHED]}, theirs[1:]),
        (
            {
                "due_time": {
                    "start_time": timestamp(Story().at(16)),
                    "end_time": timestamp(Story().at(17)),
                }
            },
            own[2:3],
        ),
    ):
        assert await listed(silo, admin, filter=pb.SlaTimerFilter(**known)) == expected
    foreign = pb.ListSlaTimersRequest(organization_id=str(other.hospital_id))
    for caller in (nurse, dispatcher):
        call = silo.analytics.ListSlaTimers(foreign, metadata=caller)
        assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_pages_neither_skip_nor_repeat_while_timers_come_and_move(silo: Center) -> None:
    silo.sql(_TIMERS, NOON, 30)
    caller, request = await silo.login(), pb.ListSlaTimersRequest(page_size=7)
    known = {str(row[0]) for row in silo.sql("SELECT transport_request_id FROM sla_timer")}
    found: list[str] = []
    while not found or request.page_token:
        answer = await silo.analytics.ListSlaTimers(request, metadata=caller)
        found += [each.transport_request_id for each in answer.sla_timers]
        request.page_token = answer.next_page_token
        silo.sql(_TIMERS, NOON, 3)
        silo.sql("UPDATE sla_timer SET due_at = due_at + interval '1 hour'")
    assert len(found) == len(set(found))
    assert known <= set(found)


_TIMERS = """
INSERT INTO sla_timer (hospital_id, transport_request_id, kind, due_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'FIRST_BID', %s FROM generate_series(1, %s)
"""
