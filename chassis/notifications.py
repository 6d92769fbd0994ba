"""What a silo's NotificationService does: shows users what they were told, and what they read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from medport.common.v1 import notifications_pb2 as pb

from chassis import auth
from chassis.clock import Clock, timestamp
from chassis.errors import NotFound
from chassis.notification_rows import NEWEST, NotificationRows, Told
from chassis.notification_texts import OCCASIONS, Channel, Text, VariablesDiffer
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork

MOST_WATCHED = 500  # the newest of them; a list shows the others


class Notifications:
    """The caller's own, and nobody else's, whatever the caller's role."""

    def __init__(
        self, database: Database, clock: Clock, paging: Paging, rows: NotificationRows
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._rows = rows

    async def list_page(
        self, tenant: UUID | None, request: Message
    ) -> tuple[list[pb.Notification], str]:
        """Return a page, newest first, and the next one's token."""
        given: Any = request
        page = self._paging.page(request)
        found = await self._rows.list_newest(
            self._database.read(tenant),
            tenant,
            auth.caller().user_id,
            only_unread=given.only_unread,
            before=UUID(page.after[0]) if page.after else NEWEST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda each: [each.id])
        return list(map(notification, shown)), token

    async def mark_read(self, uow: UnitOfWork, tenant: UUID | None, request: Message) -> None:
        """Mark all that are named, or none; raises NotFound if one is not the caller's.

        One that was read before stays read when it was.
        """
        given: Any = request
        ids = [UUID(each) for each in given.notification_ids]
        known = await self._rows.lock_own(uow, tenant, auth.caller().user_id, ids)
        for id in ids:
            if id not in known:
                text = f"notification {id} does not exist"
                raise NotFound(text, resource="notification", id=str(id))
        await self._rows.mark_read(uow, tenant, auth.caller().user_id, ids, at=self._clock())

    async def look(self, tenant: UUID | None) -> Mapping[str, pb.Notification]:
        """Return what a watch tells of, by id: the newest, with whether they were read."""
        found = await self._rows.list_newest(
            self._database.read(tenant),
            tenant,
            auth.caller().user_id,
            only_unread=False,
            before=NEWEST,
            limit=MOST_WATCHED,
        )
        return {str(each.id): notification(each) for each in reversed(found)}

    def looking(self, tenant: UUID | None) -> partial[Any]:
        return partial(self.look, tenant)


def notification(told: Told) -> pb.Notification:
    """Say it in the operators' words, or in ours where theirs ask for what was not told."""
    text = _said(told)
    return pb.Notification(
        id=str(told.id),
        template_name=told.template_name,
        subject=text.subject,
        content=text.content,
        variables=told.variables,
        read_time=timestamp(told.read_at),
        create_time=timestamp(told.created_at),
    )


def _said(told: Told) -> Text:
    if told.content is not None:
        try:
            return Text(told.subject or "", told.content).of(told.variables)
        except VariablesDiffer:
            pass
    default = OCCASIONS[told.template_name].texts[Channel.IN_APP]
    return default.of(told.variables)
