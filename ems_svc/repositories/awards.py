"""Writes what one decision about an award changed, in the order in which rows are locked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis import ids
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus
from ems_svc.domain import awards as rules
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.available_trips import AvailableTripState
from ems_svc.domain.awards import Award, Held, Outcome
from ems_svc.domain.events import AwardDeclined, Event
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.domain.transport_bids import TransportBid
from ems_svc.repositories import (
    agencies,
    assignments,
    available_trips,
    offered_trips,
    transport_bids,
    units,
)


async def is_aboard(uow: UnitOfWork, trip: OfferedTrip) -> bool:
    """Tell whether the trip's patient is with the agency that had its last award."""
    if trip.award_token is None or trip.awarded_agency_id is None:
        return False
    await uow.use_tenant(trip.awarded_agency_id)
    job = await assignments.lock_award(uow, trip.awarded_agency_id, trip.award_token)
    return job is not None and job.is_aboard


async def hold(uow: UnitOfWork, trip: OfferedTrip | None, job: Assignment) -> Held:
    """Lock what a job holds; the caller has locked the trip, then the job."""
    unit = await units.lock(uow, job.agency_id, job.unit_id) if job.unit_id else None
    bid = await transport_bids.lock(uow, job.agency_id, job.bid_id)
    return Held(job=job, unit=unit, bid=bid, trip=trip)


async def end(uow: UnitOfWork, outcome: Outcome) -> None:
    """Write the end of a job, whose agency no longer sees the trip as its own."""
    job = outcome.job
    if outcome.trip:
        await offered_trips.save(uow, outcome.trip)
    await assignments.save(uow, job)
    if outcome.unit:
        await units.save(uow, outcome.unit)
    await transport_bids.save(uow, outcome.bid)
    gone = AvailableTripState.UNAVAILABLE
    await available_trips.settle(uow, job.agency_id, job.transport_request_id, gone)


async def confirm(
    uow: UnitOfWork, trip: OfferedTrip, bid: TransportBid, award: Award, at: datetime
) -> Outcome:
    """Accept an award to which nothing objects; ``settle`` writes it."""
    seen = await available_trips.find(uow, bid.agency_id, bid.transport_request_id)
    miles = seen.loaded_miles if seen else None
    return rules.confirm(trip, bid, award=award, id=ids.new(), loaded_miles=miles, at=at)


async def decline(uow: UnitOfWork, trip: OfferedTrip, reason: str) -> AwardDeclined:
    """Write that an award, which waits for its agency, is declined; its bid stays as it is.

    The caller has locked the trip, and the unit of work is turned to the agency.
    """
    if trip.awarded_agency_id is None or trip.awarded_bid_id is None:
        raise LookupError("no award waits on the trip")
    bid = await transport_bids.get(uow, trip.awarded_agency_id, trip.awarded_bid_id)
    declined = rules.decline(trip, Award.of(trip, bid), reason)
    await offered_trips.save(uow, trip.without_award(OfferState.CLOSED))
    return declined


async def settle(uow: UnitOfWork, outcome: Outcome, at: datetime) -> list[Event]:
    """Write a confirmed award: the new job, and the end of everybody else's hope.

    Returns what is to be announced. Afterwards the unit of work is turned to the winner again.
    """
    job = outcome.job
    if outcome.trip:
        await offered_trips.save(uow, outcome.trip)
    await assignments.add(uow, job)
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
