"""What agencies charge."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from chassis.vocabulary import TransportLevel
from ems_svc.domain.rates import AgencyRate
from ems_svc.tables import agency_rate as table

OF_AGENCY = compiled(
    select(table).where(table.c.agency_id == bindparam("agency_id")), into=AgencyRate
)
ADD = compiled(insert(table).on_conflict_do_nothing())
LOCK = compiled(select(table).where(same_key(table)).with_for_update(), into=AgencyRate)
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))


async def of_agency(rows: Rows, agency_id: UUID) -> dict[TransportLevel, AgencyRate]:
    """Return the rates that the agency has set, by level."""
    return {rate.transport_level: rate for rate in await rows.all(OF_AGENCY, agency_id=agency_id)}


async def lock(uow: UnitOfWork, default: AgencyRate) -> AgencyRate:
    """Hold the rate for a level: the agency's own, or else ``default``, which is then its own.

    Two who set a rate for the first time would both find none to hold.
    """
    await uow.execute(ADD, **columns(default))
    known = {"agency_id": default.agency_id, "transport_level": default.transport_level}
    return await uow.one(LOCK, **known)


async def save(uow: UnitOfWork, rate: AgencyRate) -> None:
    await uow.execute(SAVE, **columns(rate))
