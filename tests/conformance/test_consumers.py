"""What every silo's ConsumerService promises to operators: to see, to decide, and to be noted.

Proves: pages hold every consumer and dead letter once; a decision changes what it says and
nothing else, once per request id, and is audited with its reason in the same transaction; what
does not apply is refused by its own reason. Access is proven with every other method's, in
``test_silos_through_the_router``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.common.v1 import consumers_pb2 as common
from medport.common.v1.event_log_pb2 import (
    START_ORIGIN_EARLIEST,
    START_ORIGIN_LATEST,
    START_ORIGIN_SNAPSHOT,
)
from medport.ems.events.v1.event_log_pb2 import EmsEvent
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from tests.support.consumer_desks import OPERATOR, WHY, Desk, consumer_desk
from tests.support.databases import SILOS
from tests.support.event_streams import reason
from tests.support.waiting import until

EVENTS: dict[str, Any] = {"hospital": HospitalEvent, "ems": EmsEvent, "center": CenterEvent}
ANNOUNCED = """
SELECT data FROM (SELECT id, type, data FROM outbox UNION ALL
                  SELECT position, type, data FROM event_log) AS announced
 WHERE type LIKE '%.AccessAudited'
"""


@pytest.fixture(params=SILOS)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    silo = str(request.param)
    async with consumer_desk(silo, request.getfixturevalue(f"{silo}_database")) as opened:
        yield opened


def audited(desk: Desk) -> list[dict[str, Any]]:
    """Return what went into the audit log: Center's own chain, the others' announcements."""
    if desk.silo == "center":
        rows = desk.sql(
            "SELECT action, entity_type, reason, user_id, organization_id, changes, request_id"
            " FROM audit_log WHERE entity_type IN ('consumer', 'dead_letter')"
        )
        return [
            {
                "action": action,
                "entity_type": entity_type,
                "reason": why,
                "user_id": str(user_id),
                "organization": organization is not None,
                "changes": changes,
                "request_id": str(request_id),
            }
            for action, entity_type, why, user_id, organization, changes, request_id in rows
        ]
    events = [EVENTS[desk.silo].FromString(row[0]) for row in desk.sql(ANNOUNCED)]
    return [
        {
            "action": event.access_audited.action,
            "entity_type": event.access_audited.entity_type,
            "reason": event.access_audited.reason,
            "user_id": event.access_audited.user_id,
            "organization": event.access_audited.organization_id != "",
            "changes": MessageToDict(event.access_audited.changes),
            "request_id": event.access_audited.request_id,
        }
        for event in events
    ]


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), reason(refused.value)


async def test_operators_see_every_consumer_and_dead_letter(desk: Desk) -> None:
    held = desk.checkpoint("b", state="RUNNING", lease_until="infinity")
    desk.sql("UPDATE consumer_checkpoint SET lease_until = '2100-01-01Z' WHERE consumer = 'b'")
    desk.checkpoint("a")
    desk.letter(held, 3, "trips/1", "PARKED")
    desk.letter(held, 4, "trips/2", "DISCARDED")
    desk.letter(held, 5, "trips/1", "PARKED")

    seen, token = list[Any](), ""
    while not seen or token:
        page = await desk.ask("ListConsumers", page_size=1, page_token=token)
        seen, token = [*seen, *page.consumers], page.next_page_token
    first, second = (each for each in seen if each.source == "elsewhere")
    assert (first.consumer, first.state, first.state_reason) == ("a", 3, "WHY")
    assert (first.lease_holder, first.HasField("lease_expire_time")) == ("", False)
    assert (second.consumer, second.lease_holder, second.lease_term) == ("b", "somebody", 3)
    assert (second.epoch, second.position, second.resume_token) == (1, 7, b"token")
    assert second.parked_count == 2

    filter = common.DeadLetterFilter(**held, states=[common.DEAD_LETTER_STATE_PARKED])
    page = await desk.ask("ListDeadLetters", filter=filter, page_size=1)
    rest = await desk.ask(
        "ListDeadLetters", filter=filter, page_size=1, page_token=page.next_page_token
    )
    letters = [*page.dead_letters, *rest.dead_letters]
    assert [each.position for each in letters] == [3, 5]
    assert (letters[0].event, rest.next_page_token) == (b"", "")
    whole = (await desk.ask("GetDeadLetter", **held, epoch=1, position=3)).dead_letter
    assert (whole.event, whole.subject, whole.attempts) == (b"bytes", "trips/1", 5)


async def test_a_decision_about_a_consumer_is_made_once_and_audited(desk: Desk) -> None:
    who = desk.checkpoint("tester")
    once = str(uuid4())
    for _ in range(2):  # the repeat gets the first answer
        resumed = (await desk.ask("ResumeConsumer", **who, request_id=once)).consumer
        assert (resumed.state, resumed.state_reason) == (common.CONSUMER_STATE_RUNNING, "")
    (entry,) = audited(desk)
    assert entry == {
        "action": "ResumeConsumer",
        "entity_type": "consumer",
        "reason": WHY,
        "user_id": str(OPERATOR.user_id),
        "organization": False,
        "changes": {**who, "position": 7},
        "request_id": once,
    }

    again = desk.ask("RebuildConsumer", **who, origin=START_ORIGIN_EARLIEST)
    assert await refusal(again) == (grpc.StatusCode.FAILED_PRECONDITION, "CONSUMER_NOT_HALTED")
    rebuilt = await desk.ask("RebuildConsumer", **who, origin=START_ORIGIN_SNAPSHOT)
    assert rebuilt.consumer.state == common.CONSUMER_STATE_REBUILDING
    twice = desk.ask("RebuildConsumer", **who, origin=START_ORIGIN_SNAPSHOT)
    assert await refusal(twice) == (grpc.StatusCode.FAILED_PRECONDITION, "CONSUMER_REBUILDING")
    late = desk.ask("ResumeConsumer", **who)
    assert await refusal(late) == (grpc.StatusCode.FAILED_PRECONDITION, "CONSUMER_NOT_HALTED")

    halted = desk.checkpoint("halted")
    begun = await desk.ask("RebuildConsumer", **halted, origin=START_ORIGIN_EARLIEST)
    assert (begun.consumer.state, begun.consumer.position) == (common.CONSUMER_STATE_RUNNING, 0)
    origins = [each["changes"].get("origin") for each in audited(desk)]
    assert sorted(filter(None, origins)) == ["EARLIEST", "SNAPSHOT"]
    assert len(origins) == 3  # what was refused decided nothing


async def test_only_copies_begin_again_from_rows(desk: Desk) -> None:
    """What decides or counts runs on: refused before anything changes, not halted on the way."""

    async def following() -> list[Any]:
        return [
            each
            for each in (await desk.ask("ListConsumers")).consumers
            if each.consumer == desk.silo
        ]

    async def both_follow() -> bool:
        return len(await following()) == len(SILOS) - 1

    await until(both_follow)
    for each in await following():
        who = {"consumer": each.consumer, "source": each.source}
        call = desk.ask("RebuildConsumer", **who, origin=START_ORIGIN_SNAPSHOT)
        refused = (grpc.StatusCode.FAILED_PRECONDITION, "CONSUMER_CANNOT_REBUILD")
        assert await refusal(call) == refused
    assert {each.state for each in await following()} == {common.CONSUMER_STATE_RUNNING}
    assert not audited(desk)


async def test_a_decision_about_a_dead_letter_is_audited(desk: Desk) -> None:
    who = desk.checkpoint("tester", state="RUNNING")
    for position, subject in ((3, "trips/1"), (4, "trips/2"), (5, "trips/1")):
        desk.letter(who, position, subject, "PARKED")

    retried = await desk.ask("RetryDeadLetters", **who, subject="trips/1")
    given_up = await desk.ask("DiscardDeadLetter", **who, epoch=1, position=4)
    assert retried.retried_count == 2
    assert given_up.dead_letter.state == common.DEAD_LETTER_STATE_DISCARDED
    assert given_up.dead_letter.resolved_by == str(OPERATOR.user_id)
    states = desk.sql("SELECT position, state FROM consumer_dead_letter ORDER BY position")
    assert states == [(3, "RETRY"), (4, "DISCARDED"), (5, "RETRY")]
    entries = {each["action"]: each for each in audited(desk)}
    retry, discard = entries["RetryDeadLetters"], entries["DiscardDeadLetter"]
    assert retry["changes"] == {**who, "subject": "trips/1", "position": 3, "count": 2}
    assert discard["changes"] == {**who, "subject": "trips/2", "epoch": 1, "position": 4}
    assert retry["entity_type"] == discard["entity_type"] == "dead_letter"

    nothing = desk.ask("RetryDeadLetters", **who, subject="trips/2")
    assert await refusal(nothing) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    twice = desk.ask("DiscardDeadLetter", **who, epoch=1, position=4)
    assert await refusal(twice) == (grpc.StatusCode.FAILED_PRECONDITION, "DEAD_LETTER_NOT_PARKED")
    assert len(audited(desk)) == 2


async def test_what_is_wrong_or_unknown_is_refused(desk: Desk) -> None:
    unknown = {"consumer": "nobody", "source": "elsewhere"}
    place = {**unknown, "epoch": 1, "position": 1}
    for call in (
        desk.ask("ResumeConsumer", **unknown),
        desk.ask("RebuildConsumer", **unknown, origin=START_ORIGIN_SNAPSHOT),
        desk.ask("RetryDeadLetters", **unknown, subject="trips/1"),
        desk.ask("GetDeadLetter", **place),
        desk.ask("DiscardDeadLetter", **place),
    ):
        assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    for call in (
        desk.ask("ResumeConsumer", **unknown, reason="no"),
        desk.ask("ResumeConsumer", **unknown, reason="two\nlines"),
        desk.ask("ResumeConsumer", **unknown, reason=" " * 9),
        desk.ask("ResumeConsumer", consumer="", source="elsewhere"),
        desk.ask("RebuildConsumer", **unknown, origin=START_ORIGIN_LATEST),
        desk.ask("GetDeadLetter", **{**place, "position": 0}),
    ):
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    foreign = desk.ask("ListConsumers", page_token="invented")  # noqa: S106 - no password
    assert await refusal(foreign) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
