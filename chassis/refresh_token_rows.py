"""Refresh tokens, between rows and rules: the database knows their hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import MetaData, and_, bindparam, delete, insert, select, update

from chassis.session_rows import new_row, others, owned
from chassis.sql import columns, compiled
from chassis.unit_of_work import Rows, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    id: UUID
    session_id: UUID
    token_hash: bytes
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None
    replaced_by_id: UUID | None


class RefreshTokenRows:
    """Statements on ``refresh_token``; ``tenant`` is None in Center."""

    def __init__(self, metadata: MetaData, tenant: str | None) -> None:
        table = metadata.tables["refresh_token"]
        mine = owned(table, tenant)
        by_hash = and_(mine, table.c.token_hash == bindparam("token_hash"))
        self._add = compiled(insert(table).values(new_row(table, tenant)))
        self._get = compiled(select(*others(table, tenant)).where(by_hash), into=RefreshToken)
        self._replace = compiled(
            update(table)
            .where(mine, table.c.id == bindparam("token_id"))
            .values(used_at=bindparam("at"), replaced_by_id=bindparam("by"))
        )
        self._forget = compiled(delete(table).where(mine, table.c.expires_at < bindparam("before")))

    async def add(self, uow: UnitOfWork, tenant: UUID | None, token: RefreshToken) -> None:
        await uow.execute(self._add, tenant=tenant, **columns(token))

    async def get(self, rows: Rows, tenant: UUID | None, hash: bytes) -> RefreshToken | None:
        return await rows.optional(self._get, tenant=tenant, token_hash=hash)

    async def replace(
        self, uow: UnitOfWork, tenant: UUID | None, used: UUID, *, by: UUID, at: datetime
    ) -> None:
        """Note that a token was used, and which one took its place."""
        await uow.execute(self._replace, tenant=tenant, token_id=used, by=by, at=at)

    async def forget(self, uow: UnitOfWork, tenant: UUID | None, before: datetime) -> int:
        """Delete the tokens that expired before; return how many."""
        return await uow.execute(self._forget, tenant=tenant, before=before)
