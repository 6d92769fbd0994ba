"""What the other nouns need to know of an agency's users."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, insert, select

from chassis.sql import compiled
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.tables import ems_agency_user as table

UNIT = compiled(
    select(table.c.unit_id).where(
        table.c.agency_id == bindparam("agency_id"), table.c.id == bindparam("id")
    )
)
WRITTEN = ("agency_id", "id", "email", "name", "role", "created_at", "updated_at")
ADD = compiled(insert(table).values({name: bindparam(name) for name in WRITTEN}))


async def unit_of(rows: Rows, agency_id: UUID, user_id: UUID) -> UUID | None:
    """Return the unit that a user staffs, if any."""
    row = await rows.optional(UNIT, agency_id=agency_id, id=user_id)
    return row["unit_id"] if row else None


async def add_admin(
    uow: UnitOfWork, agency_id: UUID, *, id: UUID, email: str, at: datetime
) -> None:
    """Add the first administrator, who has yet to set a password."""
    await uow.execute(
        ADD,
        agency_id=agency_id,
        id=id,
        email=email,
        name=email,
        role="ADMIN",
        created_at=at,
        updated_at=at,
    )
