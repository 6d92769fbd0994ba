"""The people who act for an agency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, select

from chassis.account_rows import Login, login_name
from chassis.errors import NotFound
from chassis.sql import compiled
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.users import UserRole
from ems_svc.tables import ems_agency_user as table


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user without the password's hash, which only logins read."""

    agency_id: UUID
    id: UUID
    email: str
    name: str
    role: UserRole
    is_active: bool
    created_at: datetime
    updated_at: datetime
    row_version: int
    phone: str | None
    unit_id: UUID | None
    last_login_at: datetime | None


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
_READ = select(*(each for each in table.c if each.key != "password_hash"))
_MINE = table.c.agency_id == bindparam("agency_id")

ADD = compiled(insert(table).values({name: bindparam(name) for name in _ADDED}))
GET = compiled(_READ.where(and_(_MINE, table.c.id == bindparam("id"))), into=User)
LIST = compiled(
    _READ.where(and_(_MINE, table.c.id > bindparam("after")))
    .order_by(table.c.id)
    .limit(bindparam("most")),
    into=User,
)


async def add(
    uow: UnitOfWork,
    login: Login,
    *,
    email: str,
    name: str,
    role: UserRole,
    phone: str | None,
    unit_id: UUID | None,
    at: datetime,
) -> None:
    """Add a user without a password, whose address is reserved (``AccountRows.add``)."""
    await uow.execute(
        ADD,
        agency_id=login.tenant,
        id=login.user_id,
        email=login_name(email),
        name=name,
        role=role,
        phone=phone,
        unit_id=unit_id,
        created_at=at,
        updated_at=at,
    )


async def get(rows: Rows, agency_id: UUID, id: UUID) -> User:
    user = await rows.optional(GET, agency_id=agency_id, id=id)
    if user is None:  # the same answer for another agency's: that it exists is not leaked
        raise NotFound(f"user {id} does not exist", resource="user", id=str(id))
    return user


async def list_users(rows: Rows, agency_id: UUID, *, after: UUID, most: int) -> list[User]:
    """Read users in the order they were created in; ``after`` is FIRST for the first page."""
    return await rows.all(LIST, agency_id=agency_id, after=after, most=most)
