"""NotificationService: shows users what they were told, administrators what was mailed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from medport.common.v1.notifications_pb2 import Notification
from medport.ems.v1 import notifications_pb2 as pb
from medport.ems.v1 import notifications_pb2_grpc as rpc

from chassis import auth
from chassis.clock import Clock
from chassis.email_deliveries import EmailDeliveries
from chassis.notifications import Notifications
from chassis.paging import Paging
from chassis.row_watching import RowWatching
from chassis.unit_of_work import Database
from ems_svc.repositories.notifications import deliveries, rows


class NotificationServicer(rpc.NotificationServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, draining: asyncio.Event
    ) -> None:
        self._database = database
        self._notifications = Notifications(database, clock, paging, rows)
        self._deliveries = EmailDeliveries(database, paging, deliveries)
        self._watching: RowWatching[pb.WatchNotificationsResponse, Notification] = RowWatching(
            pb.WatchNotificationsResponse, "notification", clock, draining
        )

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: object
    ) -> pb.ListNotificationsResponse:
        tenant = auth.tenant(request.agency_id)
        found, token = await self._notifications.list_page(tenant, request)
        return pb.ListNotificationsResponse(notifications=found, next_page_token=token)

    async def MarkNotificationsRead(
        self, request: pb.MarkNotificationsReadRequest, context: object
    ) -> pb.MarkNotificationsReadResponse:
        tenant = auth.tenant(request.agency_id)
        async with self._database.begin(tenant) as uow:
            await self._notifications.mark_read(uow, tenant, request)
            return uow.answered(pb.MarkNotificationsReadResponse())

    async def WatchNotifications(
        self, request: pb.WatchNotificationsRequest, context: object
    ) -> AsyncIterator[pb.WatchNotificationsResponse]:
        look = self._notifications.looking(auth.tenant(request.agency_id))
        async for frame in self._watching.watch(look, request.resume_token):
            yield frame

    async def ListEmailDeliveries(
        self, request: pb.ListEmailDeliveriesRequest, context: object
    ) -> pb.ListEmailDeliveriesResponse:
        tenant = auth.tenant(request.agency_id)
        found, token = await self._deliveries.list_page(tenant, request)
        return pb.ListEmailDeliveriesResponse(email_deliveries=found, next_page_token=token)
