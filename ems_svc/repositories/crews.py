"""Which unit a caller may touch: a crew its own, a dispatcher every one."""

from __future__ import annotations

from uuid import UUID

from chassis import auth
from chassis.errors import PermissionDenied
from chassis.unit_of_work import Rows
from ems_svc.repositories import users


async def own_unit(rows: Rows, agency_id: UUID) -> UUID | None:
    """Return the one unit that the caller may touch; None when it may touch every one.

    Raises PermissionDenied for a crew without a unit.
    """
    if auth.scopes() != {"OWN_UNIT"}:
        return None
    user = await users.get(rows, agency_id, auth.caller().user_id)
    if user.unit_id is None:
        raise PermissionDenied("the caller crews no unit")
    return user.unit_id
