"""Follows the hospitals' awards: keeps them or declines them, and lets go of what is taken back."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.hospital.events.v1 import transport_requests_pb2 as hospital

from chassis.clock import Clock
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import JobStatus
from ems_svc import notices
from ems_svc.domain import awards as rules
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.events import (
    AwardDeclined,
    CancellationConfirmed,
)
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.messages import hospital_events
from ems_svc.messages.announcements import announce
from ems_svc.repositories import (
    agencies,
    assignments,
    awards,
    center_copies,
    offered_trips,
    transport_bids,
)


async def project(uow: UnitOfWork, event: Received, clock: Clock) -> None:
    """Apply one event about an award; a redelivered one changes nothing."""
    match event.payload:
        case hospital.TransportRequestAwarded() as awarded:
            won = await _award(uow, awarded, clock)
            await _tell(uow, won, awarded.agency_id, "trip_awarded", event)
        case hospital.AwardRevoked() as revoked:
            lost = await _revoke(uow, revoked, clock)
            await _tell(uow, lost, revoked.agency_id, "trip_withdrawn", event)
        case hospital.CancellationRequested() as requested:
            lost = await _cancel(uow, requested, clock)
            await _tell(uow, lost, requested.agency_id, "trip_withdrawn", event)


async def _tell(
    uow: UnitOfWork, trip: OfferedTrip | None, agency_id: str, template_name: str, event: Received
) -> None:
    """Tell the agency what it has or has not any more, if that changed."""
    if trip is not None:
        await notices.tell(uow, trip, UUID(agency_id), template_name, event)


async def _award(
    uow: UnitOfWork, event: hospital.TransportRequestAwarded, clock: Clock
) -> OfferedTrip | None:
    """Answer an award: confirm, decline, or leave the answer to an agency that wants to give it.

    Returns the trip unless it is declined.
    """
    award, ref = hospital_events.award(event), event.trip
    trip = await _locked(uow, ref)
    if trip is None:
        if await offered_trips.find(uow, *_key(ref)) is None:
            announce(uow, [AwardDeclined(*_key(ref), ref.trip_version, award, "TRIP_UNKNOWN")])
        return None
    aboard = await awards.is_aboard(uow, trip)
    await uow.use_tenant(award.agency_id)
    agency = await agencies.find(uow, award.agency_id)
    bid, at = await transport_bids.lock_if_known(uow, award.agency_id, award.bid_id), clock()
    reason = rules.objection(award, trip=trip, agency=agency, bid=bid, aboard=aboard, at=at)
    if bid is None or reason is not None:
        await offered_trips.save(uow, trip)
        announce(uow, [rules.decline(trip, award, reason or "BID_NOT_PENDING")])
        return None
    if await center_copies.confirms_by_hand(uow, award.agency_id):
        await offered_trips.save(uow, trip.awaiting(award))
    else:
        outcome = await awards.confirm(uow, trip, bid, award, at)
        announce(uow, await awards.settle(uow, outcome, at))
    return trip


async def _revoke(
    uow: UnitOfWork, event: hospital.AwardRevoked, clock: Clock
) -> OfferedTrip | None:
    """Let a job go before pickup; with the patient aboard it stays, and the hospital gives in.

    Returns the trip if the agency has it no more.
    """
    trip = await _locked(uow, event.trip)
    if trip is None:
        return None
    job = await _job(uow, event.agency_id, event.award_token)
    if job is not None and job.is_live and job.is_before_pickup:
        reason = hospital.AwardRevokeReason.Name(event.reason)
        held = await awards.hold(uow, trip, job)
        outcome = rules.end(
            held, JobStatus.REVOKED, reason.removeprefix("AWARD_REVOKE_REASON_"), clock()
        )
        await awards.end(uow, outcome)
        announce(uow, outcome.events)
        return trip
    was_awaiting = trip.is_awaiting(UUID(event.award_token))
    if was_awaiting:
        trip = trip.without_award(OfferState.CLOSED)
    await offered_trips.save(uow, trip)
    return trip if was_awaiting else None


async def _cancel(
    uow: UnitOfWork, event: hospital.CancellationRequested, clock: Clock
) -> OfferedTrip | None:
    """Decide between cancelled and aboard on the row that the crew's pickup updates too.

    Returns the trip if the agency has it no more.
    """
    trip = await _locked(uow, event.trip)
    if trip is None:
        return None
    job = await _job(uow, event.agency_id, event.award_token)
    if job is None:
        return trip if await _cancel_waiting(uow, trip, event) else None
    if job.is_live and job.is_before_pickup:
        await _let_go(uow, trip, job, event, clock)
        return trip
    await offered_trips.save(uow, trip)
    if job.picked_up_at is not None:
        job, refused = job.refuse_cancellation(UUID(event.cancel_token), clock())
        await assignments.save(uow, job)
        announce(uow, [refused])
    return None


async def _let_go(
    uow: UnitOfWork,
    trip: OfferedTrip,
    job: Assignment,
    event: hospital.CancellationRequested,
    clock: Clock,
) -> None:
    reason = vocabulary_pb2.CancellationReason.Name(event.reason)
    reason = reason.removeprefix("CANCELLATION_REASON_")
    held = await awards.hold(uow, trip, job)
    outcome = rules.end(held, JobStatus.CANCELLED, reason, clock())
    await awards.end(uow, outcome)
    confirmed = CancellationConfirmed(outcome.job, UUID(event.cancel_token), reason)
    announce(uow, [confirmed, *outcome.events])


async def _cancel_waiting(
    uow: UnitOfWork, trip: OfferedTrip, event: hospital.CancellationRequested
) -> bool:
    """Decline an award that still waits for its agency: the hospital asks to cancel it anyhow.

    An award that was declined before needs no second answer: False.
    """
    token = UUID(event.award_token)
    bid = None
    if trip.is_awaiting(token) and trip.awarded_bid_id is not None:
        bid = await transport_bids.find(uow, UUID(event.agency_id), trip.awarded_bid_id)
    if bid is None:
        await offered_trips.save(uow, trip)
        return False
    declined = rules.decline(trip, rules.Award.of(trip, bid), "CANCELLATION_REQUESTED")
    await offered_trips.save(uow, trip.without_award(OfferState.CLOSED))
    announce(uow, [declined])
    return True


async def _job(uow: UnitOfWork, agency_id: str, award_token: str) -> Assignment | None:
    await uow.use_tenant(UUID(agency_id))
    return await assignments.lock_award(uow, UUID(agency_id), UUID(award_token))


async def _locked(uow: UnitOfWork, ref: hospital.TripRef) -> OfferedTrip | None:
    return await offered_trips.lock_older(uow, *_key(ref), ref.trip_version)


def _key(ref: hospital.TripRef) -> tuple[UUID, UUID]:
    return UUID(ref.hospital_id), UUID(ref.transport_request_id)
