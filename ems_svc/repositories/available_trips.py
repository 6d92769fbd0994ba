"""What each agency may see: the fan-out of the trips on offer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, and_, any_, bindparam, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from chassis.errors import NotFound
from chassis.sql import columns, compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.available_trips import AvailableTrip, AvailableTripState
from ems_svc.tables import available_trip as table

_of_agency = table.c.agency_id == bindparam("agency_id")
_visible = table.c.visible_at <= bindparam("at")

GET = compiled(select(table).where(same_key(table)), into=AvailableTrip)
GET_VISIBLE = compiled(select(table).where(same_key(table), _visible), into=AvailableTrip)
_new = insert(table)
OFFER = compiled(
    _new.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={each.key: _new.excluded[each.key] for each in table.c if not each.primary_key},
    )
)
SETTLE = compiled(update(table).where(same_key(table)).values(state=bindparam("new_state")))
SETTLE_ALL = compiled(
    update(table)
    .where(_of_agency, table.c.state == AvailableTripState.OPEN)
    .values(state=AvailableTripState.UNAVAILABLE)
)
OPEN = compiled(
    select(table)
    .where(_of_agency, _visible, table.c.state == AvailableTripState.OPEN)
    .order_by(table.c.visible_at, table.c.transport_request_id),
    into=AvailableTrip,
)
_place = tuple_(table.c.visible_at, table.c.transport_request_id)
LIST = compiled(
    select(table)
    .where(
        and_(_of_agency, _visible),
        _place < tuple_(bindparam("visible_before"), bindparam("before")),
        table.c.state == any_(bindparam("states", type_=ARRAY(Text))),
        table.c.transport_level == any_(bindparam("levels", type_=ARRAY(Text))),
        table.c.priority == any_(bindparam("priorities", type_=ARRAY(Text))),
    )
    .order_by(table.c.visible_at.desc(), table.c.transport_request_id.desc())
    .limit(bindparam("limit")),
    into=AvailableTrip,
)


async def find(rows: Rows, agency_id: UUID, transport_request_id: UUID) -> AvailableTrip | None:
    return await rows.optional(GET, agency_id=agency_id, transport_request_id=transport_request_id)


async def get(
    rows: Rows, agency_id: UUID, transport_request_id: UUID, at: datetime
) -> AvailableTrip:
    """Return a trip that the agency may see by now."""
    trip = await rows.optional(
        GET_VISIBLE, agency_id=agency_id, transport_request_id=transport_request_id, at=at
    )
    if trip is None:  # not offered, not yet, or not there: all the same to this agency
        id = str(transport_request_id)
        raise NotFound(f"trip {id} does not exist", resource="available_trip", id=id)
    return trip


async def offer(uow: UnitOfWork, trip: AvailableTrip) -> None:
    """Show a trip to its agency, in place of what it saw of it before."""
    await uow.execute(OFFER, **columns(trip))


async def settle(
    uow: UnitOfWork, agency_id: UUID, transport_request_id: UUID, state: AvailableTripState
) -> None:
    """Say what has become of a trip to an agency that may have seen it."""
    known = {"agency_id": agency_id, "transport_request_id": transport_request_id}
    await uow.execute(SETTLE, **known, new_state=state)


async def withdraw_all(uow: UnitOfWork, agency_id: UUID) -> None:
    """Close every open trip for one agency, which may not bid any more."""
    await uow.execute(SETTLE_ALL, agency_id=agency_id)


async def open_ones(rows: Rows, agency_id: UUID, at: datetime) -> list[AvailableTrip]:
    """Return the trips that the agency may bid on by now: those of the last hours."""
    return await rows.all(OPEN, agency_id=agency_id, at=at)


async def list_newest(
    rows: Rows,
    agency_id: UUID,
    *,
    at: datetime,
    states: Sequence[str],
    levels: Sequence[str],
    priorities: Sequence[str],
    before: tuple[datetime, UUID],
    limit: int,
) -> list[AvailableTrip]:
    """Return what the agency may see ``at`` a moment, the newest first."""
    visible_before, id = before
    return await rows.all(
        LIST,
        agency_id=agency_id,
        at=at,
        states=list(states),
        levels=list(levels),
        priorities=list(priorities),
        visible_before=visible_before,
        before=id,
        limit=limit,
    )
