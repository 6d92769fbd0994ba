"""The people who act for the transport center."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, insert

from center_svc.domain.center_users import Permission, Role
from center_svc.repositories.sessions import rows as identity
from center_svc.tables import center_user as table
from chassis.account_rows import Login, login_name
from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork

_ADDED = ("id", "email", "password_hash", "name", "role", "permissions", "created_at", "updated_at")

ADD = compiled(insert(table).values({name: bindparam(name) for name in _ADDED}))


async def add_administrator(
    uow: UnitOfWork, login: Login, *, email: str, name: str, password_hash: str, at: datetime
) -> None:
    """Add a user who may do everything; raises AlreadyExists if the address logs in already."""
    await identity.accounts.add(uow, email, login)
    await uow.execute(
        ADD,
        id=login.user_id,
        email=login_name(email),
        password_hash=password_hash,
        name=name,
        role=Role.ADMIN,
        permissions=list(Permission),
        created_at=at,
        updated_at=at,
    )
