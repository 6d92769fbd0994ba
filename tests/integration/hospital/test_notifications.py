"""A hospital's users are told what became of their trips, once, and each reads their own.

Run: ``python -m pytest tests/integration/hospital/test_notifications.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message
from medport.center.events.v1 import sla_timers_pb2 as center
from medport.common.v1 import notifications_pb2 as common
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2 as ems
from medport.hospital.v1 import notifications_pb2 as pb
from medport.hospital.v1 import notifications_pb2_grpc as rpc
from medport.hospital.v1 import transport_requests_pb2

from chassis.clock import timestamp, utc_now
from hospital_svc.timers.transport_requests import OfferExpiries
from tests.support.front_desk import NOON
from tests.support.hospital_silo import Metadata, refused
from tests.support.hospital_trips import PHI, Ward
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Trip = transport_requests_pb2.TransportRequest


class Reader:
    """The service as one caller has it."""

    def __init__(self, mercy: Ward, caller: Metadata) -> None:
        self.stub: Any = rpc.NotificationServiceStub(mercy.silo.channel)
        self.own: dict[str, Any] = {"hospital_id": mercy.hospital_id}
        self.caller = caller

    async def list(self, **asked: Any) -> list[common.Notification]:
        request = pb.ListNotificationsRequest(**self.own, **asked)
        answer = await self.stub.ListNotifications(request, metadata=self.caller)
        return list(answer.notifications)

    async def has_any(self) -> bool:
        return bool(await self.list())

    async def read(self, *told: common.Notification) -> None:
        ids = [each.id for each in told]
        request = pb.MarkNotificationsReadRequest(
            **self.own, notification_ids=ids, request_id=str(uuid4())
        )
        await self.stub.MarkNotificationsRead(request, metadata=self.caller)

    def watch(self, token: bytes = b"") -> Any:
        request = pb.WatchNotificationsRequest(**self.own, resume_token=token)
        return self.stub.WatchNotifications(request, metadata=self.caller)


def breached(trip: Trip) -> Message:
    return center.SlaBreached(
        trip=center.TripRef(hospital_id=trip.hospital_id, transport_request_id=trip.id),
        kind=center.SLA_KIND_FIRST_BID,
        due_time=timestamp(NOON),
    )


async def test_who_asked_and_the_administrators_hear_that_a_trip_is_late(mercy: Ward) -> None:
    trip, other = await mercy.create(), await mercy.silo.login("CASE_MANAGER")
    await mercy.silo.hear(breached(trip))
    for caller in (mercy.staff, mercy.admin):
        [told] = await Reader(mercy, caller).list()
        assert told.template_name == "sla_breached"
        assert told.variables["trip_number"] == trip.trip_number
        assert "first bid" in told.content
        assert "12:00 UTC" in told.content
        assert not any(phi in str(told) for phi in PHI)
    assert await Reader(mercy, other).list() == []
    kinds = "SELECT channel, count(*) FROM notification GROUP BY channel ORDER BY channel"
    assert mercy.silo.sql(kinds) == [("EMAIL", 2), ("IN_APP", 2)]


async def test_an_event_that_comes_again_tells_nobody_again(mercy: Ward) -> None:
    trip, id = await mercy.create(), uuid4()
    for _ in range(2):
        await mercy.silo.hear(breached(trip), event_id=id)
    assert len(await Reader(mercy, mercy.staff).list()) == 1


async def test_who_awarded_a_trip_hears_whether_the_agency_carries_it_out(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await mercy.silo.hear(ems.TripDropped(job=mercy.job(trip), reason="BREAKDOWN"))
    reader = Reader(mercy, mercy.staff)
    reopened, accepted = await reader.list()
    assert (accepted.template_name, reopened.template_name) == ("trip_accepted", "trip_reopened")
    assert f"Agency {mercy.agency_id.hex[:6]}" in accepted.content
    assert [each.id for each in await reader.list(page_size=1)] == [reopened.id]


async def test_who_asked_and_the_administrators_hear_that_nobody_took_a_trip(mercy: Ward) -> None:
    trip = await mercy.create()
    mercy.silo.sql(
        "UPDATE transport_request SET requested_at = requested_at - interval '1 day',"
        " offer_expires_at = now() - interval '1 hour'"
    )
    expiries, database = OfferExpiries(), mercy.silo.database
    for due in await expiries.coming(database, until=utc_now(), fetch=10):
        async with database.begin(due.tenant) as uow:
            await expiries.react(uow, due, utc_now)  # unless the silo's own timer does
    for caller in (mercy.staff, mercy.admin):
        reader = Reader(mercy, caller)
        await until(reader.has_any)
        [told] = await reader.list()
        assert told.template_name == "trip_expired"
        assert trip.trip_number in told.content
        assert not any(phi in str(told) for phi in PHI)


async def test_the_hospital_hears_of_news_that_do_not_fit(mercy: Ward) -> None:
    trip, id = await mercy.accepted(), uuid4()
    await mercy.silo.hear(ems.TripDropped(job=mercy.job(trip), reason="BREAKDOWN"))
    aboard = mercy.advance(trip, words.JOB_STATUS_IN_TRANSIT)
    for _ in range(2):
        await mercy.silo.hear(aboard, event_id=id)
    for caller in (mercy.staff, mercy.admin):
        told, *before = await Reader(mercy, caller).list()
        assert told.template_name == "trip_conflict"
        assert "trip_conflict" not in [each.template_name for each in before]
        assert trip.trip_number in told.content
        assert "stale award aboard" in told.content
        assert not any(phi in str(told) for phi in PHI)


async def test_what_was_read_stays_read_and_is_ones_own(mercy: Ward) -> None:
    trip = await mercy.create()
    await mercy.silo.hear(breached(trip), breached(trip))
    own, others = Reader(mercy, mercy.staff), Reader(mercy, mercy.admin)
    first, second = await own.list()
    for foreign in ((await others.list())[0], common.Notification(id=str(UUID(int=7)))):
        told = await refused(own.read(first, foreign))
        assert told.code is grpc.StatusCode.NOT_FOUND
    await own.read(first)
    assert [each.id for each in await own.list(only_unread=True)] == [second.id]
    [known] = [each for each in await own.list() if each.id == first.id]
    await own.read(first, second)
    assert known in await own.list()  # when it was read did not change
    assert len(await others.list(only_unread=True)) == 2


async def test_a_watch_tells_what_comes_and_what_is_read(mercy: Ward) -> None:
    trip, own = await mercy.create(), Reader(mercy, mercy.staff)
    await mercy.silo.hear(breached(trip))
    async with asyncio.timeout(30):
        stream = own.watch()
        first = (await stream.read()).notification
        assert (await stream.read()).snapshot_end.event_count == 1
        await mercy.silo.hear(breached(trip))
        frame = await stream.read()
        assert frame.notification.id > first.id
        await own.read(first)
        assert (await stream.read()).notification.read_time.seconds > 0
        stream.cancel()
        resumed = own.watch(frame.resume_token)
        assert (await resumed.read()).notification.id == first.id
    assert (await refused(own.watch(b"x").read())).reason == "INVALID_RESUME_TOKEN"


async def test_operators_words_are_shown_and_ours_where_theirs_do_not_fit(mercy: Ward) -> None:
    trip, own = await mercy.create(), Reader(mercy, mercy.staff)
    await mercy.silo.hear(breached(trip))
    theirs = (
        "INSERT INTO notification_template_copy (template_name, template_type, content, variables,"
        " is_active, version) VALUES ('sla_breached', 'IN_APP', %s, '{}', true, 1)"
    )
    mercy.silo.sql(theirs, "Zu spät: {{trip_number}}")
    assert (await own.list())[0].content == f"Zu spät: {trip.trip_number}"
    mercy.silo.sql("UPDATE notification_template_copy SET content = '{{weather}}'")
    assert "missed the service level" in (await own.list())[0].content
