"""The rows behind notifications: what users are told, and how far each has got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import (
    ARRAY,
    DateTime,
    MetaData,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from chassis import ids
from chassis.notification_texts import OCCASIONS, Channel
from chassis.session_rows import owner
from chassis.sql import Statement, compiled
from chassis.unit_of_work import UnitOfWork

SENT_WITHIN = timedelta(hours=24)  # what could not be sent by then is of no use to anybody


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell users about, once: ``source_event_id`` names what made it so.

    ``template_name`` is one of ``notification_texts.OCCASIONS``, ``variables`` are just its own.
    """

    template_name: str
    variables: Mapping[str, str]
    source_event_id: UUID
    expires_at: datetime | None = None


class NotificationRows:
    """Statements on ``notification``; made once, beside the tables.

    ``templates`` names the silo's table of templates: its own, or its copies of Center's.
    """

    def __init__(self, metadata: MetaData, tenant: str | None, *, templates: str) -> None:
        template = metadata.tables[templates]
        self._channels = compiled(
            select(template.c.template_type, template.c.is_active).where(
                template.c.template_name == bindparam("template_name")
            )
        )
        self._add = _adding(metadata.tables["notification"], tenant)

    async def queue(
        self,
        uow: UnitOfWork,
        notice: Notice,
        *,
        tenant: UUID | None,
        recipients: Sequence[UUID],
        at: datetime,
    ) -> None:
        """Tell ``recipients``, on each channel that the occasion has; a repeat changes nothing.

        E-mail waits in its row for the sender, which deletes the variables with its last attempt.
        Raises ValueError for other variables than the occasion's: nothing else may be told.
        """
        if OCCASIONS[notice.template_name].variables != notice.variables.keys():
            raise ValueError(f"{notice.template_name} has other variables")
        channels = await self._open_channels(uow, notice.template_name)
        to = [(recipient, channel) for recipient in recipients for channel in channels]
        if not to:
            return
        await uow.execute(
            self._add,
            tenant=tenant,
            ids=[ids.new() for _ in to],
            recipients=[recipient for recipient, _ in to],
            channels=[channel for _, channel in to],
            template_name=notice.template_name,
            variables=Jsonb(dict(notice.variables)),
            source_event_id=notice.source_event_id,
            at=at,
            expires_at=notice.expires_at or at + SENT_WITHIN,
        )

    async def _open_channels(self, uow: UnitOfWork, template_name: str) -> list[str]:
        """Add the channels that operators have texts for, and leave out those they closed."""
        said = await uow.all(self._channels, template_name=template_name)
        known = {str(row["template_type"]): bool(row["is_active"]) for row in said}
        known = dict.fromkeys(OCCASIONS[template_name].texts, True) | known
        known.pop(Channel.SMS, None)  # nobody sends those yet
        return sorted(str(channel) for channel, is_open in known.items() if is_open)


def _adding(table: Table, tenant: str | None) -> Statement[dict[str, Any]]:
    """Insert one row per recipient and channel; what is shown in the application has arrived."""
    to = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("recipients", type_=ARRAY(Uuid)),
            bindparam("channels", type_=ARRAY(Text)),
        )
        .table_valued("id", "recipient_user_id", "channel")
        .render_derived(name="addressed")
    )
    at = bindparam("at", type_=DateTime(timezone=True))
    is_mail = to.c.channel == Channel.EMAIL
    row = owner(tenant) | {
        "id": to.c.id,
        "recipient_user_id": to.c.recipient_user_id,
        "channel": to.c.channel,
        "template_name": bindparam("template_name", type_=Text),
        "variables": bindparam("variables", type_=JSONB),
        "source_event_id": bindparam("source_event_id", type_=Uuid),
        "state": case((is_mail, "QUEUED"), else_="SENT"),
        "next_attempt_at": case((is_mail, at)),
        "sent_at": case((is_mail, None), else_=at),
        "created_at": at,
        "expires_at": case((is_mail, bindparam("expires_at", type_=DateTime(timezone=True)))),
    }
    return compiled(
        insert(table).from_select(list(row), select(*row.values())).on_conflict_do_nothing()
    )
