"""The rows behind accounts: users, and the addresses that they log in with.

The silos' user tables have these columns in common; ``permissions`` only Center's has, ``unit_id``
only EMS's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    MetaData,
    Select,
    Table,
    and_,
    bindparam,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.auth import Principal
from chassis.errors import AlreadyExists
from chassis.session_rows import owned, owner
from chassis.sql import compiled
from chassis.unit_of_work import Rows, UnitOfWork


@dataclass(frozen=True, slots=True)
class Login:
    """Where an address leads to."""

    tenant: UUID | None
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Account:
    user_id: UUID
    email: str
    password_hash: str | None
    is_active: bool
    role: str
    permissions: list[str]
    unit_id: UUID | None

    def principal(self, silo: str, tenant: UUID | None, session_id: UUID) -> Principal:
        return Principal(
            user_id=self.user_id,
            silo=silo,
            roles=frozenset({f"{silo.upper()}_{self.role}"}),
            tenant_id=tenant,
            permissions=frozenset(self.permissions),
            session_id=session_id,
            unit_id=self.unit_id,
        )


def login_name(email: str) -> str:
    """Spell an address the one way in which it is stored and compared."""
    return email.strip().lower()


class AccountRows:
    """Statements on the user table named ``users``, and on those that lead to it."""

    def __init__(self, metadata: MetaData, tenant: str | None, *, users: str) -> None:
        user, login = metadata.tables[users], metadata.tables["login_email"]
        the_user = and_(owned(user, tenant), user.c.id == bindparam("user_id"))
        self._get = compiled(_account(user).where(the_user), into=Account)
        self._log_in = compiled(
            update(user)
            .where(the_user, user.c.is_active, user.c.password_hash == bindparam("verified"))
            .values(last_login_at=bindparam("at"), password_hash=bindparam("kept"))
            .returning(*_columns(user)),
            into=Account,
        )
        chosen = {
            "password_hash": bindparam("kept"),
            "updated_at": bindparam("at"),
            "row_version": user.c.row_version + 1,
        }
        active = update(user).where(the_user, user.c.is_active).values(chosen)
        self._set_password = compiled(active)
        self._change_password = compiled(
            active.where(user.c.password_hash == bindparam("verified"))
        )
        owning = null().label("tenant") if tenant is None else login.c[tenant]
        by_email = login.c.email == bindparam("email")
        self._find = compiled(select(owning, login.c.user_id).where(by_email), into=_login)
        new: dict[str, Any] = {"email": bindparam("email"), "user_id": bindparam("user_id")}
        self._add = compiled(insert(login).values(owner(tenant) | new).on_conflict_do_nothing())

    async def find(self, rows: Rows, email: str) -> Login | None:
        return await rows.optional(self._find, email=email)

    async def get(self, rows: Rows, login: Login) -> Account | None:
        return await rows.optional(self._get, tenant=login.tenant, user_id=login.user_id)

    async def add(self, uow: UnitOfWork, email: str, login: Login) -> None:
        """Reserve ``email`` for a user about to be added; raises AlreadyExists if it is taken."""
        known = {"email": login_name(email), "tenant": login.tenant, "user_id": login.user_id}
        if await uow.execute(self._add, **known) == 0:
            raise AlreadyExists("the address logs in already")

    async def log_in(
        self, uow: UnitOfWork, login: Login, *, verified: str, kept: str, at: datetime
    ) -> Account | None:
        """Note a login, if the user is still active and ``verified`` still the password's hash.

        ``kept`` takes its place: the same, or the same password under today's parameters. Returns
        the account as it is now, for its role may have changed while the password was hashed.
        """
        known = {"tenant": login.tenant, "user_id": login.user_id}
        return await uow.optional(self._log_in, **known, verified=verified, kept=kept, at=at)

    async def set_password(
        self, uow: UnitOfWork, login: Login, password_hash: str, at: datetime
    ) -> bool:
        """Give an active user a password; False for a disabled one."""
        known = {"tenant": login.tenant, "user_id": login.user_id}
        return await uow.execute(self._set_password, **known, kept=password_hash, at=at) == 1

    async def change_password(
        self, uow: UnitOfWork, login: Login, *, verified: str, kept: str, at: datetime
    ) -> bool:
        """Replace an active user's password, if ``verified`` is still its hash; else False."""
        known = {"tenant": login.tenant, "user_id": login.user_id}
        changed = await uow.execute(
            self._change_password, **known, verified=verified, kept=kept, at=at
        )
        return changed == 1


def _account(user: Table) -> Select[Any]:
    return select(*_columns(user))


def _columns(user: Table) -> list[ColumnElement[Any]]:
    none: ColumnElement[Any] = literal_column("ARRAY[]::text[]").label(
        "permissions"
    )  # only Center's users have any
    permissions = user.c.get("permissions", none)
    unit_id = user.c.get("unit_id", null().label("unit_id"))  # only a crew has one
    return [
        user.c.id.label("user_id"),
        user.c.email,
        user.c.password_hash,
        user.c.is_active,
        user.c.role,
        permissions,
        unit_id,
    ]


def _login(tenant: UUID | None, user_id: UUID) -> Login:
    return Login(tenant, user_id)
