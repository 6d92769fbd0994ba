"""What became of a tenant's e-mail, for its administrators, whichever silo it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from medport.common.v1 import notifications_pb2 as pb

from chassis.email_delivery_rows import EmailDeliveryRows
from chassis.notification_rows import NEWEST
from chassis.notification_texts import EmailDeliveryState
from chassis.paging import Paging
from chassis.unit_of_work import Database
from chassis.wire import member


class EmailDeliveries:
    """Every user's of the tenant; neither addresses nor a word of what was written."""

    def __init__(self, database: Database, paging: Paging, rows: EmailDeliveryRows) -> None:
        self._database = database
        self._paging = paging
        self._rows = rows

    async def list_page(
        self, tenant: UUID | None, request: Message
    ) -> tuple[list[pb.EmailDelivery], str]:
        """Return a page, newest first, and the next one's token."""
        given: Any = request
        page, asked = self._paging.page(request), given.filter
        named = asked.recipient_user_id
        states = [member(EmailDeliveryState, pb.EmailDeliveryState, each) for each in asked.states]
        found = await self._rows.list_newest(
            self._database.read(tenant),
            tenant,
            recipient=UUID(named) if named else None,
            states=states or list(EmailDeliveryState),
            template_name=asked.template_name,
            before=UUID(page.after[0]) if page.after else NEWEST,
            limit=page.fetch,
        )
        return page.cut(found, lambda each: [each.id])
