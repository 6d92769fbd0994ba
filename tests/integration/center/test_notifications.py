"""Center's users read what they were told, too.

Run: ``python -m pytest tests/integration/center/test_notifications.py``; needs PostgreSQL.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from medport.center.v1 import notifications_pb2 as pb
from medport.center.v1 import notifications_pb2_grpc as rpc

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
