"""The people who act for the transport center."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Text,
    and_,
    any_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from center_svc.domain.users import Filter, Permission, Role, User
from center_svc.repositories.sessions import rows as identity
from center_svc.tables import center_user as table
from chassis import ids
from chassis.account_rows import Login, login_name
from chassis.errors import NotFound
from chassis.session_rows import RevokeReason
from chassis.sql import columns, compiled, if_given, same_key
from chassis.unit_of_work import Rows, UnitOfWork

FIRST = UUID(int=0)  # no id lies before it

_ADDED = (
    "id",
    "email",
    "name",
    "role",
    "permissions",
    "created_at",
    "updated_at",
)
_SAVED = ("name", "role", "is_active", "permissions", "updated_at", "row_version")
_RESTORED = ("password_hash", "role", "permissions", "is_active", "updated_at")
_READ = select(
    *(each for each in table.c if each.key != "password_hash"),
    table.c.password_hash.is_not(None).label("has_password"),
)

ADD = compiled(insert(table).values({name: bindparam(name) for name in _ADDED}))
SAVE = compiled(
    update(table).where(same_key(table)).values({name: bindparam(name) for name in _SAVED})
)
RESTORE = compiled(
    update(table).where(same_key(table)).values({name: bindparam(name) for name in _RESTORED})
)
GET = compiled(_READ.where(same_key(table)), into=User)
LOCK = compiled(
    _READ.where(
        or_(
            table.c.id == bindparam("id"),
            and_(table.c.role == Role.ADMIN, table.c.is_active),
        ),
    )
    .order_by(table.c.id)
    .with_for_update(key_share=True),
    into=User,
)
LIST = compiled(
    _READ.where(
        table.c.id > bindparam("after"),
        table.c.role == any_(bindparam("roles", type_=ARRAY(Text))),
        if_given(table.c.is_active, "is_active"),
        func.starts_with(table.c.email, bindparam("email_prefix", type_=Text)),
    )
    .order_by(table.c.id)
    .limit(bindparam("most")),
    into=User,
)


async def add(uow: UnitOfWork, user: User) -> None:
    """Add a user without a password, whose address is reserved (``AccountRows.add``)."""
    await uow.execute(ADD, **columns(user))


async def save(uow: UnitOfWork, user: User) -> None:
    """Write back a user read with ``lock`` in the same transaction."""
    await uow.execute(SAVE, **columns(user))


async def get(rows: Rows, id: UUID) -> User:
    user = await rows.optional(GET, id=id)
    if user is None:
        raise _missing(id)
    return user


async def lock(uow: UnitOfWork, id: UUID) -> tuple[User, bool]:
    """Hold a user, and say whether anybody else administers, and can log in.

    All active administrators are held, in one order: of two who turn each other off at the same
    moment, the second sees what the first has done.
    """
    held = await uow.all(LOCK, id=id)
    user = next((each for each in held if each.id == id), None)
    if user is None:
        raise _missing(id)
    return user, any(each.administers for each in held if each.id != id)


async def list_users(rows: Rows, wanted: Filter, *, after: UUID, most: int) -> list[User]:
    """Read users in the order they were created in; ``after`` is FIRST for the first page."""
    return await rows.all(LIST, **columns(wanted), after=after, most=most)


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
    await add(uow, User.new(id=login.user_id, email=email, name=email, at=at, **everything))
    await identity.accounts.set_password(uow, login, password_hash, at)
    return login.user_id


def _missing(id: UUID) -> NotFound:
    return NotFound(f"user {id} does not exist", resource="user", id=str(id))
