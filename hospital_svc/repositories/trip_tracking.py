"""Where the unit of a live trip was seen last."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from hospital_svc.domain.trip_tracking import Fix
from hospital_svc.tables import trip_tracking as table

_shown = ("agency_id", "unit_id", "latitude", "longitude", "fix_at")
GET = compiled(select(*(table.c[name] for name in _shown)).where(same_key(table)), into=Fix)
_names = ("hospital_id", "transport_request_id", "agency_id", "unit_id", "latitude", "longitude")
_new = insert(table).values({name: bindparam(name) for name in (*_names, "fix_at", "received_at")})
PUT = compiled(
    _new.on_conflict_do_update(
        index_elements=["hospital_id", "transport_request_id"],
        set_={
            name: bindparam(name)
            for name in ("agency_id", "unit_id", "latitude", "longitude", "fix_at", "received_at")
        },
        where=table.c.fix_at < bindparam("fix_at"),
    )
)


async def find(rows: Rows, hospital_id: UUID, trip_id: UUID) -> Fix | None:
    return await rows.optional(GET, hospital_id=hospital_id, transport_request_id=trip_id)


async def put(
    uow: UnitOfWork,
    hospital_id: UUID,
    trip_id: UUID,
    *,
    agency_id: UUID,
    unit_id: UUID,
    latitude: float,
    longitude: float,
    fix_at: datetime,
    received_at: datetime,
) -> None:
    """Keep the latest fix: one that comes late shows nothing new."""
    await uow.execute(
        PUT,
        hospital_id=hospital_id,
        transport_request_id=trip_id,
        agency_id=agency_id,
        unit_id=unit_id,
        latitude=latitude,
        longitude=longitude,
        fix_at=fix_at,
        received_at=received_at,
    )
