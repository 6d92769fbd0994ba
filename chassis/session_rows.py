"""Sessions, between rows and rules: one instance per silo's tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    true,
    update,
)

from chassis.sql import columns, compiled
from chassis.unit_of_work import Rows, UnitOfWork

LATEST = UUID(int=2**128 - 1)


class RevokeReason(StrEnum):
    """Why a session ended before its time."""

    LOGOUT = "LOGOUT"
    EXPIRED = "EXPIRED"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - no secret
    ADMINISTRATOR = "ADMINISTRATOR"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: UUID
    user_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoke_reason: RevokeReason | None
    ip_address: IPv4Address | IPv6Address | None
    user_agent: str | None

    def is_live(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at


def owned(table: Table, tenant: str | None) -> ColumnElement[bool]:
    """Match the rows of the tenant that ``tenant=`` names; in Center every row is its own."""
    return true() if tenant is None else table.c[tenant] == bindparam("tenant")


def owner(tenant: str | None) -> dict[str, Any]:
    """Set the tenant column of a new row from the parameter ``tenant``."""
    return {} if tenant is None else {tenant: bindparam("tenant")}


def others(table: Table, tenant: str | None) -> list[Column[Any]]:
    """Return every column but the tenant's: a row is read by those who know whose it is."""
    return [each for each in table.c if each.key != tenant]


def new_row(table: Table, tenant: str | None) -> dict[str, Any]:
    """Set every column of a new row from the parameter of its name."""
    return owner(tenant) | {each.key: bindparam(each.key) for each in others(table, tenant)}


class SessionRows:
    """Statements on ``user_session``; ``tenant`` is None in Center."""

    def __init__(self, metadata: MetaData, tenant: str | None) -> None:
        session = metadata.tables["user_session"]
        mine, read = owned(session, tenant), select(*others(session, tenant))
        live = session.c.revoked_at.is_(None)
        the_session = and_(mine, session.c.id == bindparam("id"))
        self._add = compiled(insert(session).values(new_row(session, tenant)))
        self._get = compiled(read.where(the_session), into=Session)
        self._lock = compiled(read.where(the_session).with_for_update(), into=Session)
        self._list = compiled(
            read.where(
                mine, session.c.user_id == bindparam("user_id"), session.c.id < bindparam("before")
            )
            .order_by(session.c.id.desc())
            .limit(bindparam("most")),
            into=Session,
        )
        self._use = compiled(
            update(session).where(the_session).values(last_used_at=bindparam("at"))
        )
        ended: dict[str, Any] = {
            "revoked_at": bindparam("at"),
            "revoke_reason": bindparam("reason"),
        }
        self._revoke = compiled(
            update(session)
            .where(the_session, live)
            .values(ended)
            .returning(*others(session, tenant)),
            into=Session,
        )
        self._revoke_all = compiled(
            update(session).where(mine, session.c.user_id == bindparam("user"), live).values(ended)
        )
        self._forget = compiled(
            delete(session).where(mine, session.c.expires_at < bindparam("before"))
        )

    async def add(self, uow: UnitOfWork, tenant: UUID | None, session: Session) -> None:
        await uow.execute(self._add, tenant=tenant, **columns(session))

    async def get(self, rows: Rows, tenant: UUID | None, id: UUID) -> Session | None:
        return await rows.optional(self._get, tenant=tenant, id=id)

    async def lock(self, uow: UnitOfWork, tenant: UUID | None, id: UUID) -> Session | None:
        """Hold a session's row: what happens to its refresh tokens happens one by one."""
        return await uow.optional(self._lock, tenant=tenant, id=id)

    async def list_of(
        self, rows: Rows, tenant: UUID | None, user_id: UUID, *, before: UUID, most: int
    ) -> list[Session]:
        """Read a user's sessions, newest first; ``before`` is LATEST for the first page."""
        return await rows.all(self._list, tenant=tenant, user_id=user_id, before=before, most=most)

    async def use(self, uow: UnitOfWork, tenant: UUID | None, id: UUID, at: datetime) -> None:
        await uow.execute(self._use, tenant=tenant, id=id, at=at)

    async def revoke(
        self, uow: UnitOfWork, tenant: UUID | None, id: UUID, *, reason: RevokeReason, at: datetime
    ) -> Session | None:
        """End a session and return it; None if there is none that goes on."""
        return await uow.optional(self._revoke, tenant=tenant, id=id, reason=reason, at=at)

    async def revoke_all(
        self,
        uow: UnitOfWork,
        tenant: UUID | None,
        user_id: UUID,
        *,
        reason: RevokeReason,
        at: datetime,
    ) -> None:
        """End every session of a user."""
        await uow.execute(self._revoke_all, tenant=tenant, user=user_id, reason=reason, at=at)

    async def forget(self, uow: UnitOfWork, tenant: UUID | None, before: datetime) -> int:
        """Delete the sessions that expired before; return how many."""
        return await uow.execute(self._forget, tenant=tenant, before=before)
