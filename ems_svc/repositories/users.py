"""The people who act for an agency."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from psycopg.errors import ForeignKeyViolation
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

from chassis.errors import InvalidArgument, NotFound
from chassis.sql import columns, compiled, if_given, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.users import Filter, User, UserRole
from ems_svc.tables import ems_agency_user as table

FIRST = UUID(int=0)  # no id lies before it

_ADDED = (
    "agency_id",
    "id",
    "email",
    "name",
    "role",
    "phone",
    "unit_id",
    "created_at",
    "updated_at",
)
_SAVED = ("name", "role", "is_active", "phone", "unit_id", "updated_at", "row_version")
_READ = select(
    *(each for each in table.c if each.key != "password_hash"),
    table.c.password_hash.is_not(None).label("has_password"),
)
_MINE = table.c.agency_id == bindparam("agency_id")

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
    .with_for_update(key_share=True),
    into=User,
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
    with _unit_is_the_agencys():
        await uow.execute(ADD, **columns(user))


async def save(uow: UnitOfWork, user: User) -> None:
    """Write back a user read with ``lock`` in the same transaction."""
    with _unit_is_the_agencys():
        await uow.execute(SAVE, **columns(user))


async def get(rows: Rows, agency_id: UUID, id: UUID) -> User:
    user = await rows.optional(GET, agency_id=agency_id, id=id)
    if user is None:  # the same answer for another agency's: that it exists is not leaked
        raise _missing(id)
    return user


async def lock(uow: UnitOfWork, agency_id: UUID, id: UUID) -> tuple[User, bool]:
    """Hold a user, and say whether anybody else administers, and can log in.

    All active administrators are held, in one order: of two who turn each other off at the same
    moment, the second sees what the first has done.
    """
    held = await uow.all(LOCK, agency_id=agency_id, id=id)
    user = next((each for each in held if each.id == id), None)
    if user is None:
        raise _missing(id)
    return user, any(each.administers for each in held if each.id != id)


async def list_users(
    rows: Rows, agency_id: UUID, wanted: Filter, *, after: UUID, most: int
) -> list[User]:
    """Read users in the order they were created in; ``after`` is FIRST for the first page."""
    return await rows.all(LIST, agency_id=agency_id, **columns(wanted), after=after, most=most)


def _missing(id: UUID) -> NotFound:
    return NotFound(f"user {id} does not exist", resource="user", id=str(id))


@contextmanager
def _unit_is_the_agencys() -> Iterator[None]:
    try:
        yield
    except ForeignKeyViolation as strange:
        if strange.diag.constraint_name != "ems_agency_user_agency_id_unit_id_fkey":
            raise
        wrong = {"ems_agency_user.unit_id": "must be a unit of the agency"}
        raise InvalidArgument("the agency has no such unit", violations=wrong) from strange
