"""What agencies charge."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from chassis.sql import compiled
from chassis.unit_of_work import Rows
from chassis.vocabulary import TransportLevel
from ems_svc.domain.rates import AgencyRate
from ems_svc.tables import agency_rate as table

OF_AGENCY = compiled(
    select(
        table.c.agency_id,
        table.c.transport_level,
        table.c.base_amount,
        table.c.per_mile_amount,
        table.c.currency_code,
    ).where(table.c.agency_id == bindparam("agency_id")),
    into=AgencyRate,
)


async def of_agency(rows: Rows, agency_id: UUID) -> dict[TransportLevel, AgencyRate]:
    """Return the rates that the agency has set, by level."""
    return {rate.transport_level: rate for rate in await rows.all(OF_AGENCY, agency_id=agency_id)}
