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
    Boolean,
    ColumnElement,
    DateTime,
    MetaData,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from chassis import ids
from chassis.notification_texts import OCCASIONS, Channel
from chassis.session_rows import owned, owner
from chassis.sql import Statement, compiled
from chassis.unit_of_work import Rows, UnitOfWork

EMAIL, EXPIRY = "notification.email", "notification.expiry_seconds"
# What could not be sent by then is of no use to anybody.
DEFAULTS: Mapping[str, Any] = {EMAIL: True, EXPIRY: 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell users about, once: ``source_event_id`` names what made it so.

    ``template_name`` is one of ``notification_texts.OCCASIONS``, ``variables`` are just its own.
    """

    template_name: str
    variables: Mapping[str, str]
    source_event_id: UUID
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a user was told in the application, and the operators' words if there are any."""

    id: UUID
    template_name: str
    variables: Mapping[str, str]
    read_at: datetime | None
    created_at: datetime
    subject: str | None
    content: str | None


NEWEST = UUID(int=2**128 - 1)  # no id lies behind it


class NotificationRows:
    """Statements on ``notification``; made once, beside the tables.

    ``templates`` and ``settings`` name the silo's tables of templates and configuration: its own,
    or its copies of Center's.
    """

    def __init__(
        self, metadata: MetaData, tenant: str | None, *, templates: str, settings: str
    ) -> None:
        setting = metadata.tables[settings]
        self._settings = compiled(
            select(setting.c.key, setting.c.value).where(
                setting.c.key == any_(bindparam("keys", type_=ARRAY(Text))), setting.c.is_active
            )
        )
        template = metadata.tables[templates]
        self._channels = compiled(
            select(template.c.template_type, template.c.is_active).where(
                template.c.template_name == bindparam("template_name"),
                template.c.is_deleted.is_(False),
            )
        )
        table = metadata.tables["notification"]
        self._add = _adding(table, tenant)
        ids = bindparam("ids", type_=ARRAY(Uuid))
        own = and_(
            owned(table, tenant),
            table.c.recipient_user_id == bindparam("user"),
            table.c.channel == Channel.IN_APP,
        )
        self._list = compiled(_telling(table, template, own), into=Told)
        self._lock = compiled(
            select(table.c.id).where(own, table.c.id == any_(ids)).with_for_update(), into=_id
        )
        self._read = compiled(
            update(table)
            .where(own, table.c.id == any_(ids), table.c.read_at.is_(None))
            .values(state="READ", read_at=bindparam("at"))
        )

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
        settings = await self._configured(uow)
        channels = await self._open_channels(uow, notice.template_name)
        if not settings[EMAIL] and Channel.IN_APP in channels:
            channels = [Channel.IN_APP]
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
            expires_at=notice.expires_at or at + timedelta(seconds=settings[EXPIRY]),
        )

    async def list_newest(
        self,
        rows: Rows,
        tenant: UUID | None,
        user_id: UUID,
        *,
        only_unread: bool,
        before: UUID,
        limit: int,
    ) -> list[Told]:
        """Return what a user was told in the application, newest first, from before an id on."""
        known = {"tenant": tenant, "user": user_id, "only_unread": only_unread}
        return await rows.all(self._list, **known, before=before, limit=limit)

    async def lock_own(
        self, uow: UnitOfWork, tenant: UUID | None, user_id: UUID, ids: Sequence[UUID]
    ) -> frozenset[UUID]:
        """Hold those of a user's own that are named; return which there are."""
        found = await uow.all(self._lock, tenant=tenant, user=user_id, ids=list(ids))
        return frozenset(found)

    async def mark_read(
        self,
        uow: UnitOfWork,
        tenant: UUID | None,
        user_id: UUID,
        ids: Sequence[UUID],
        *,
        at: datetime,
    ) -> None:
        """Note that a user read these; one that was read before keeps its time."""
        await uow.execute(self._read, tenant=tenant, user=user_id, ids=list(ids), at=at)

    async def _configured(self, uow: UnitOfWork) -> Mapping[str, Any]:
        set_ones = await uow.all(self._settings, keys=list(DEFAULTS))
        return {**DEFAULTS, **{row["key"]: row["value"] for row in set_ones}}

    async def _open_channels(self, uow: UnitOfWork, template_name: str) -> list[str]:
        """Leave out the channels that operators closed, if that can be of this occasion."""
        occasion = OCCASIONS[template_name]
        said = await uow.all(self._channels, template_name=template_name)
        closed = {row["template_type"] for row in said if not row["is_active"]}
        return [
            str(each) for each in occasion.texts if not occasion.is_closable or each not in closed
        ]


def _telling(table: Table, template: Table, own: ColumnElement[bool]) -> Select[Any]:
    is_text = and_(
        template.c.template_name == table.c.template_name,
        template.c.template_type == table.c.channel,
        template.c.is_deleted.is_(False),
    )
    only_unread = bindparam("only_unread", type_=Boolean)
    names = ("id", "template_name", "variables", "read_at", "created_at")
    return (
        select(*(table.c[name] for name in names), template.c.subject, template.c.content)
        .outerjoin(template, is_text)
        .where(
            own,
            table.c.id < bindparam("before"),
            or_(not_(only_unread), table.c.read_at.is_(None)),
        )
        .order_by(table.c.id.desc())
        .limit(bindparam("limit"))
    )


def _id(id: UUID) -> UUID:
    return id


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
