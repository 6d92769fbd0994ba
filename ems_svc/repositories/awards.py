"""Writes what one decision about an award changed, in the order in which rows are locked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus
from ems_svc.domain.available_trips import AvailableTripState
from ems_svc.domain.awards import Outcome
from ems_svc.domain.events import Event
from ems_svc.repositories import (
    agencies,
    assignments,
    available_trips,
    offered_trips,
    transport_bids,
    units,
)


async def save(uow: UnitOfWork, outcome: Outcome) -> None:
    """Write back the rows of ``outcome``; the caller holds them, and has turned to their agency."""
    if outcome.trip:
        await offered_trips.save(uow, outcome.trip)
    if outcome.job:
        await assignments.save(uow, outcome.job)
    if outcome.unit:
        await units.save(uow, outcome.unit)
    if outcome.bid:
        await transport_bids.save(uow, outcome.bid)


async def settle(uow: UnitOfWork, outcome: Outcome, at: datetime) -> list[Event]:
    """Write a confirmed award: the new job, and the end of everybody else's hope.

    Returns what is to be announced. Afterwards the unit of work is turned to the winner again.
    """
    job = outcome.job
    if job is None:
        raise LookupError("a confirmed award without a job")
    if outcome.trip:
        await offered_trips.save(uow, outcome.trip)
    await assignments.add(uow, job)
    if outcome.bid:
        await transport_bids.save(uow, outcome.bid)
    lost = await close(uow, job.transport_request_id, BidStatus.REJECTED, at, winner=job.agency_id)
    await uow.use_tenant(job.agency_id)
    return [*outcome.events, *lost]


async def close(
    uow: UnitOfWork,
    transport_request_id: UUID,
    status: BidStatus,
    at: datetime,
    *,
    winner: UUID | None = None,
) -> list[Event]:
    """Decide the bids that are left on a trip, and show every agency that it is gone."""
    events: list[Event] = []
    for agency in await agencies.everyone(uow):
        id = agency.agency_id
        await uow.use_tenant(id)
        events += await transport_bids.close_pending(uow, id, transport_request_id, status, at)
        state = AvailableTripState.WON if id == winner else AvailableTripState.UNAVAILABLE
        await available_trips.settle(uow, id, transport_request_id, state)
    return events
