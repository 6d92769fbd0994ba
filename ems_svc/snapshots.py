"""What the EMS silo shows to a consumer that rebuilds its copies: its rows as they stand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

from medport.ems.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeySnapshot

from chassis import signing_keys
from chassis.outbox import Announcement
from chassis.unit_of_work import UnitOfWork
from ems_svc.messages import snapshots as messages
from ems_svc.repositories import agencies, assignments, transport_bids, units
from ems_svc.repositories.sessions import rows


async def current(uow: UnitOfWork) -> AsyncGenerator[Announcement, None]:
    """Yield every row that another silo may keep a copy of; what it refers to comes first."""
    for key in await rows.keys.own(uow):
        yield signing_keys.shown(key, SigningKeyPublished, SigningKeySnapshot)
    for agency in await agencies.everyone(uow):
        yield messages.agency(agency)
        await uow.use_tenant(agency.agency_id)
        numbers: dict[UUID, str] = {}
        async for unit in units.each(uow, agency.agency_id):
            numbers[unit.id] = unit.unit_number
            yield messages.unit(unit)
        async for bid in transport_bids.each(uow, agency.agency_id):
            yield messages.bid(bid)
        async for job in assignments.each(uow, agency.agency_id):
            yield messages.assignment(job, numbers[job.unit_id] if job.unit_id else "")
