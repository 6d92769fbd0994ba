"""Expires bids that lapsed undecided, agency by agency."""

from __future__ import annotations

from chassis.clock import Clock
from chassis.unit_of_work import Database
from ems_svc.domain.transport_bids import GRACE
from ems_svc.messages.announcements import announce
from ems_svc.repositories import agencies, transport_bids

MOST = 200  # bids of one agency in one transaction; the next sweep takes the rest


async def sweep(database: Database, clock: Clock) -> int:
    """Expire what lapsed a minute ago: an award of a bid that lapsed just now comes first."""
    expired, now = 0, clock()
    for agency in await agencies.everyone(database.read(None)):
        id = agency.agency_id
        async with database.begin(id) as uow:
            events = await transport_bids.expire(uow, id, before=now - GRACE, at=now, limit=MOST)
            announce(uow, events)
        expired += len(events)
    return expired
