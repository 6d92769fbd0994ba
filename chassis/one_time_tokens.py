"""One-time tokens: an invitation, or a password reset; the database keeps only their hashes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import MetaData, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis import ids
from chassis.account_rows import Login
from chassis.session_rows import owned, owner
from chassis.sql import compiled
from chassis.unit_of_work import Rows, UnitOfWork

INVITED_FOR = timedelta(days=7)
RESET_FOR = timedelta(minutes=30)
INVITATION, PASSWORD_RESET = "INVITATION", "PASSWORD_RESET"


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """``text`` is for the user alone, ``hash`` for everybody else."""

    text: str
    hash: bytes


def new() -> OneTimeToken:
    """Make a token of 256 random bits, in URL-safe text."""
    text = secrets.token_urlsafe(32)
    return OneTimeToken(text, digest(text))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class OneTimeTokens:
    """Statements on ``one_time_token``."""

    def __init__(self, metadata: MetaData, tenant: str | None) -> None:
        table = metadata.tables["one_time_token"]
        names = ("id", "user_id", "purpose", "token_hash", "created_at", "expires_at")
        new = insert(table).values(owner(tenant) | {name: bindparam(name) for name in names})
        self._add = compiled(new.on_conflict_do_nothing())
        open_ones = and_(
            owned(table, tenant),
            table.c.user_id == bindparam("user"),
            table.c.used_at.is_(None),
        )
        valid = and_(
            open_ones,
            table.c.token_hash == bindparam("hash"),
            table.c.expires_at > bindparam("at"),
        )
        self._find = compiled(select(table.c.id).where(valid))
        self._recent = compiled(
            select(func.count()).where(
                owned(table, tenant),
                table.c.user_id == bindparam("user"),
                table.c.purpose == PASSWORD_RESET,
                table.c.created_at > bindparam("since"),
            ),
            into=_number,
        )
        self._use = compiled(update(table).where(valid).values(used_at=bindparam("at")))
        self._void = compiled(update(table).where(open_ones).values(used_at=bindparam("at")))
        self._forget = compiled(
            delete(table).where(owned(table, tenant), table.c.expires_at < bindparam("before"))
        )

    async def invite(
        self, uow: UnitOfWork, login: Login, *, token_hash: bytes, at: datetime, expires: datetime
    ) -> None:
        """Let a user, added in the same transaction, set its first password."""
        await self._keep(uow, login, ids.new(), INVITATION, (token_hash, at, expires))

    async def reset(
        self, uow: UnitOfWork, login: Login, id: UUID, *, token_hash: bytes, at: datetime
    ) -> bool:
        """Let a user set another password; False if there is a token of this id."""
        return await self._keep(uow, login, id, PASSWORD_RESET, (token_hash, at, at + RESET_FOR))

    async def recent_resets(self, uow: UnitOfWork, login: Login, since: datetime) -> int:
        """Return how many tokens to set another password a user was given since."""
        return await uow.one(self._recent, **_known(login), since=since)

    async def forget(self, uow: UnitOfWork, tenant: UUID | None, before: datetime) -> int:
        """Delete the tokens that expired before; return how many."""
        return await uow.execute(self._forget, tenant=tenant, before=before)

    async def _keep(
        self,
        uow: UnitOfWork,
        login: Login,
        id: UUID,
        purpose: str,
        token: tuple[bytes, datetime, datetime],
    ) -> bool:
        token_hash, at, expires = token
        known = {"tenant": login.tenant, "user_id": login.user_id, "id": id, "purpose": purpose}
        times = {"created_at": at, "expires_at": expires}
        return await uow.execute(self._add, **known, token_hash=token_hash, **times) == 1

    async def is_valid(self, rows: Rows, login: Login, text: str, at: datetime) -> bool:
        """Say whether ``text`` would be accepted: what costs nothing, before what costs a hash."""
        found = await rows.optional(self._find, **_known(login), hash=digest(text), at=at)
        return found is not None

    async def use(self, uow: UnitOfWork, login: Login, text: str, at: datetime) -> bool:
        """Use a token up, and with it every other that the user has; False if it is not valid."""
        used = await uow.execute(self._use, **_known(login), hash=digest(text), at=at)
        if used == 1:
            await uow.execute(self._void, **_known(login), at=at)
        return used == 1


def _number(count: int) -> int:
    return count


def _known(login: Login) -> dict[str, UUID | None]:
    return {"tenant": login.tenant, "user": login.user_id}
