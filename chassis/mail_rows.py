"""The rows behind e-mail: which are due, whose turn one is, and what became of each attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import MetaData, Select, Table, Text, and_, bindparam, case, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from chassis.notification_texts import Channel
from chassis.session_rows import owned, owner
from chassis.sql import Statement, compiled, written
from chassis.unit_of_work import Rows, UnitOfWork

NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MailKey:
    tenant: UUID | None
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMail:
    """An e-mail that waits, to whom it goes, and the operators' template if there is one."""

    id: UUID
    template_name: str
    variables: Mapping[str, str]
    attempts: int
    created_at: datetime
    expires_at: datetime | None
    next_attempt_at: datetime
    email: str
    is_user_active: bool
    subject: str | None
    content: str | None
    is_template_active: bool | None


class MailRows:
    """Statements on ``notification`` and ``notification_delivery``; made once.

    ``users`` and ``templates`` name the silo's tables of those.
    """

    def __init__(
        self, metadata: MetaData, tenant: str | None, *, users: str, templates: str
    ) -> None:
        table, log = metadata.tables["notification"], metadata.tables["notification_delivery"]
        mine = and_(owned(table, tenant), table.c.id == bindparam("row_id"))
        waiting = and_(mine, table.c.state == "QUEUED", table.c.channel == Channel.EMAIL)
        self._take: Statement[QueuedMail] = compiled(
            _queued(metadata, tenant, users, templates)
            .where(waiting)
            .with_for_update(of=table, skip_locked=True),
            into=QueuedMail,
        )
        self._start = compiled(
            update(table)
            .where(mine)
            .values(attempts=bindparam("sequence"), next_attempt_at=bindparam("again_at"))
        )
        self._log, self._note = _logging(log, tenant)
        # Whoever took the row since has the word: this attempt took too long.
        self._postpone = compiled(
            update(table)
            .where(waiting, table.c.attempts == bindparam("number"))
            .values(next_attempt_at=bindparam("again_at"), last_error=bindparam("why"))
        )
        state = bindparam("ended", type_=Text)
        self._end = compiled(
            update(table)
            .where(waiting)
            .values(
                state=state,
                sent_at=case((state == "SENT", bindparam("at"))),
                last_error=bindparam("why"),
                next_attempt_at=None,
                variables=bindparam("nothing", value=Jsonb({}), type_=JSONB),
            )
        )

    async def due(
        self, rows: Rows, *, due_at: datetime, expired_at: datetime, most: int
    ) -> list[MailKey]:
        """List, over all tenants, what may be sent by now and what is of no use any more."""
        return await rows.all(DUE, due_at=due_at, expired_at=expired_at, most=most)

    async def take(self, uow: UnitOfWork, key: MailKey) -> QueuedMail | None:
        """Hold a row that still waits; None when it does not, or when somebody else holds it."""
        return await uow.optional(self._take, tenant=key.tenant, row_id=key.id)

    async def start(
        self, uow: UnitOfWork, key: MailKey, sequence: int, *, at: datetime, again_at: datetime
    ) -> None:
        """Note an attempt about to be made; unless settled, another begins at ``again_at``."""
        known = {"tenant": key.tenant, "row_id": key.id, "sequence": sequence}
        await uow.execute(self._start, **known, again_at=again_at)
        await uow.execute(self._log, **known, at=at)

    async def note(
        self, uow: UnitOfWork, key: MailKey, sequence: int, outcome: str, smtp_code: int | None
    ) -> None:
        """Note what became of an attempt."""
        known = {"tenant": key.tenant, "row_id": key.id, "number": sequence}
        await uow.execute(self._note, **known, outcome=outcome, smtp_code=smtp_code)

    async def postpone(
        self, uow: UnitOfWork, key: MailKey, sequence: int, *, why: str, again_at: datetime
    ) -> None:
        known = {"tenant": key.tenant, "row_id": key.id, "number": sequence}
        await uow.execute(self._postpone, **known, why=why, again_at=again_at)

    async def end(
        self, uow: UnitOfWork, key: MailKey, state: str, *, why: str | None, at: datetime
    ) -> None:
        """Let a row rest for good; what it would have said is deleted."""
        known = {"tenant": key.tenant, "row_id": key.id}
        await uow.execute(self._end, **known, ended=state, why=why, at=at)


DUE = written(
    "SELECT tenant_id, id FROM due_notifications(%(due_at)s, %(expired_at)s, %(most)s)", MailKey
)


def _queued(metadata: MetaData, tenant: str | None, users: str, templates: str) -> Select[Any]:
    table, user, template = (metadata.tables[each] for each in ("notification", users, templates))
    theirs = [user.c[tenant] == table.c[tenant]] if tenant else []
    is_text = and_(
        template.c.template_name == table.c.template_name,
        template.c.template_type == Channel.EMAIL,
        template.c.is_deleted.is_(False),
    )
    names = ("id", "template_name", "variables", "attempts", "created_at", "expires_at")
    return (
        select(
            *(table.c[name] for name in names),
            table.c.next_attempt_at,
            user.c.email,
            user.c.is_active.label("is_user_active"),
            template.c.subject,
            template.c.content,
            template.c.is_active.label("is_template_active"),
        )
        .join(user, and_(user.c.id == table.c.recipient_user_id, *theirs))
        .outerjoin(template, is_text)
    )


def _logging(log: Table, tenant: str | None) -> tuple[Statement[Any], Statement[Any]]:
    """Write of an attempt that it begins, and what became of it."""
    begun: dict[str, Any] = {
        "notification_id": bindparam("row_id"),
        "sequence": bindparam("sequence"),
        "attempted_at": bindparam("at"),
        "outcome": "STARTED",
    }
    this_one = and_(
        owned(log, tenant),
        log.c.notification_id == bindparam("row_id"),
        log.c.sequence == bindparam("number"),
    )
    became: dict[str, Any] = {"outcome": bindparam("outcome"), "smtp_code": bindparam("smtp_code")}
    return (
        compiled(insert(log).values(owner(tenant) | begun)),
        compiled(update(log).where(this_one).values(became)),
    )
