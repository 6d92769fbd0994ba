"""The people who act for the transport center."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, insert, update

from center_svc.domain.users import Permission, Role
from center_svc.repositories.sessions import rows as identity
from center_svc.tables import center_user as table
from chassis import ids
from chassis.account_rows import Login, login_name
from chassis.session_rows import RevokeReason
from chassis.sql import compiled, same_key
from chassis.unit_of_work import UnitOfWork

_ADDED = ("id", "email", "password_hash", "name", "role", "permissions", "created_at", "updated_at")
_RESTORED = ("password_hash", "role", "permissions", "is_active", "updated_at")

ADD = compiled(insert(table).values({name: bindparam(name) for name in _ADDED}))
RESTORE = compiled(
    update(table).where(same_key(table)).values({name: bindparam(name) for name in _RESTORED})
)


async def put_admin(uow: UnitOfWork, email: str, password_hash: str, at: datetime) -> UUID:
    """Make an administrator who may do everything, or give one back its access; return its id.

    Whatever an existing one's old password began ends.
    """
    email = login_name(email)
    everything = {"role": Role.ADMIN, "permissions": list(Permission)}
    login = await identity.accounts.find(uow, email)
    if login is not None:
        id, why = login.user_id, RevokeReason.PASSWORD_CHANGED
        known = {"id": id, "password_hash": password_hash, "updated_at": at}
        await uow.execute(RESTORE, **known, **everything, is_active=True)
        await identity.sessions.revoke_all(uow, None, id, reason=why, at=at)
        await identity.throttle.clear(uow, email)
        return id
    login = Login(None, ids.new())
    await identity.accounts.add(uow, email, login)
    known = {"id": login.user_id, "email": email, "name": email, "password_hash": password_hash}
    await uow.execute(ADD, **known, **everything, created_at=at, updated_at=at)
    return login.user_id
