"""Center's users read what they were told, too.

Run: ``python -m pytest tests/integration/center/test_notifications.py``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from medport.center.v1 import audit_log_pb2
from medport.center.v1 import notifications_pb2 as pb
from medport.center.v1 import notifications_pb2_grpc as rpc
from medport.hospital.events.v1 import transport_requests_pb2 as trips

from tests.support.center_events import NOON, PROJECTS, Story, apply, database_on
from tests.support.center_silo import center
from tests.support.notified import notified


async def test_a_coordinator_reads_what_it_was_told(center_database: str) -> None:
    async with center(center_database) as silo, notified("center", center_database) as tables:
        caller = await silo.coordinator()
        [(user,)] = silo.sql("SELECT id FROM center_user WHERE role = 'COORDINATOR'")
        await tables.tell(user)
        stub: Any = rpc.NotificationServiceStub(silo.channel)
        request = pb.ListNotificationsRequest()
        [told] = (await stub.ListNotifications(request, metadata=caller)).notifications
        assert "T-1" in told.subject
        mark = pb.MarkNotificationsReadRequest(notification_ids=[told.id], request_id=str(uuid4()))
        await stub.MarkNotificationsRead(mark, metadata=caller)
        unread = pb.ListNotificationsRequest(only_unread=True)
        assert list((await stub.ListNotifications(unread, metadata=caller)).notifications) == []
        admin = await silo.login()
        assert list((await stub.ListNotifications(request, metadata=admin)).notifications) == []


async def test_administrators_hear_of_what_does_not_fit_and_find_it_in_the_trail(
    center_database: str,
) -> None:
    story = Story()
    story.requested()
    conflict = trips.TripConflictDetected(
        agency_id=str(story.agency_id), kind=trips.TRIP_CONFLICT_KIND_STALE_AWARD_ABOARD
    )
    story.hospital(5, conflict)
    created, found = story.sent
    async with center(center_database) as silo, database_on(center_database) as database:
        admin, coordinator = await silo.login(), await silo.coordinator()
        await apply(database, [created])
        event = found.received()
        for _ in range(2):
            async with database.begin(None) as uow:
                for project in PROJECTS["hospital"]:
                    await project(uow, event)
        stub: Any = rpc.NotificationServiceStub(silo.channel)
        request = pb.ListNotificationsRequest()
        [told] = (await stub.ListNotifications(request, metadata=admin)).notifications
        assert told.template_name == "trip_incident"
        assert str(story.trip_id) in told.content
        assert "stale award aboard" in told.content
        assert not (await stub.ListNotifications(request, metadata=coordinator)).notifications

        wanted = audit_log_pb2.AuditLogFilter(
            entity_type="transport_request",
            entity_id=str(story.trip_id),
            actions=["TripConflictDetected"],
        )
        listing = audit_log_pb2.ListAuditLogsRequest(filter=wanted)
        [kept] = (await silo.audit.ListAuditLogs(listing, metadata=admin)).audit_logs
        assert kept.organization_id == str(story.hospital_id)
        assert dict(kept.changes) == {
            "conflict_kind": "STALE_AWARD_ABOARD",
            "agency_id": str(story.agency_id),
        }
        assert kept.occur_time.ToDatetime(tzinfo=NOON.tzinfo) == story.at(5)
