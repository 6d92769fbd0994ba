"""The people who act for a hospital."""

from __future__ import annotations

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

from chassis.errors import NotFound
from chassis.sql import columns, compiled, if_given, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.users import Filter, User, UserRole
from hospital_svc.tables import hospital
from hospital_svc.tables import hospital_user as table

FIRST = UUID(int=0)  # no id lies before it

_ADDED = (
    "hospital_id",
    "id",
    "email",
    "name",
    "role",
    "created_at",
    "updated_at",
)
_SAVED = ("name", "role", "is_active", "updated_at", "row_version")
_READ = select(
    *(each for each in table.c if each.key not in {"password_hash", "last_login_at"}),
    hospital.c.name.label("hospital_name"),
    table.c.password_hash.is_not(None).label("has_password"),
).join(hospital, hospital.c.hospital_id == table.c.hospital_id)
_MINE = table.c.hospital_id == bindparam("hospital_id")

ADD = compiled(insert(table).values({name: bindparam(name) for name in _ADDED}))
SAVE = compiled(
    update(table).where(same_key(table)).values({name: bindparam(name) for name in _SAVED})
)
GET = compiled(_READ.where(same_key(table)), into=User)
LOCK = compiled(
    _READ.where(
        _MINE,
        or_(
            table.c.id == bindparam("id"),
            and_(table.c.role == UserRole.ADMIN, table.c.is_active),
        ),
    )
    .order_by(table.c.id)
    .with_for_update(of=table, key_share=True),
    into=User,
)
ADMINS = compiled(
    select(table.c.id)
    .where(_MINE, table.c.role == UserRole.ADMIN, table.c.is_active)
    .order_by(table.c.id),
    into=lambda each: each,
)
LIST = compiled(
    _READ.where(
        _MINE,
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


async def get(rows: Rows, hospital_id: UUID, id: UUID) -> User:
    user = await rows.optional(GET, hospital_id=hospital_id, id=id)
    if user is None:  # the same answer for another hospital's: that it exists is not leaked
        raise _missing(id)
    return user


async def lock(uow: UnitOfWork, hospital_id: UUID, id: UUID) -> tuple[User, bool]:
    """Hold a user, and say whether anybody else administers, and can log in.

    All active administrators are held, in one order: of two who turn each other off at the same
    moment, the second sees what the first has done.
    """
    held = await uow.all(LOCK, hospital_id=hospital_id, id=id)
    user = next((each for each in held if each.id == id), None)
    if user is None:
        raise _missing(id)
    return user, any(each.administers for each in held if each.id != id)


async def list_admins(rows: Rows, hospital_id: UUID) -> list[UUID]:
    """Return who has to hear of what concerns the whole hospital."""
    return await rows.all(ADMINS, hospital_id=hospital_id)


async def list_users(
    rows: Rows, hospital_id: UUID, wanted: Filter, *, after: UUID, most: int
) -> list[User]:
    """Read users in the order they were created in; ``after`` is FIRST for the first page."""
    return await rows.all(LIST, hospital_id=hospital_id, **columns(wanted), after=after, most=most)


def _missing(id: UUID) -> NotFound:
    return NotFound(f"user {id} does not exist", resource="user", id=str(id))
