"""Where the unit of a live trip was seen last."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork
from hospital_svc.tables import trip_tracking as table

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
