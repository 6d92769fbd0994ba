"""Follows the hospitals' trips: offers, awards, cancellations; decides what they mean here."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from medport.hospital.events.v1 import transport_requests_pb2 as hospital

from chassis.clock import Clock
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus
from ems_svc import notices
from ems_svc.domain.offered_trips import OfferState
from ems_svc.messages import hospital_events
from ems_svc.messages.announcements import announce
from ems_svc.repositories import assignments, awards, matching, offered_trips, tracking

Ended = hospital.TransportRequestCancelled | hospital.TransportRequestExpired


async def project(uow: UnitOfWork, event: Received, clock: Clock) -> None:
    """Apply one event about a trip's offer; an older or redelivered one changes nothing."""
    match event.payload:
        case hospital.TransportRequestCreated() as created:
            await _create(uow, created)
        case hospital.TransportRequestUpdated() as updated:
            await _update(uow, updated, event, clock)
        case hospital.TransportRequestReopened() as reopened:
            await _reopen(uow, reopened)
        case hospital.TransportRequestCancelled() as ended:
            await _end(uow, ended, BidStatus.REJECTED, clock)
        case hospital.TransportRequestExpired() as ended:
            await _end(uow, ended, BidStatus.EXPIRED, clock)
        case hospital.TransportRequestCompleted() as completed:
            if trip := await offered_trips.lock_older(uow, *_version(completed.trip)):
                await offered_trips.save(uow, replace(trip, state=OfferState.CLOSED))
        case hospital.TripConflictDetected() as conflict:
            await _warn(uow, conflict, event)


def _version(trip: hospital.TripRef) -> tuple[UUID, UUID, int]:
    return UUID(trip.hospital_id), UUID(trip.transport_request_id), trip.trip_version


async def _create(uow: UnitOfWork, event: hospital.TransportRequestCreated) -> None:
    trip = hospital_events.offered_trip(event)
    if await offered_trips.add(uow, trip):
        await matching.offer_to_all(uow, trip)


async def _update(
    uow: UnitOfWork, updated: hospital.TransportRequestUpdated, event: Received, clock: Clock
) -> None:
    """Take new needs: an open trip is matched anew; a job that runs is flagged, and led there."""
    trip = await offered_trips.lock_older(uow, *_version(updated.trip))
    if trip is None:
        return
    trip = hospital_events.updated(trip, updated)
    await offered_trips.save(uow, trip)
    if trip.state is OfferState.OPEN:
        await matching.offer_to_all(uow, trip)
    elif trip.award_token is not None and trip.awarded_agency_id is not None:
        await uow.use_tenant(trip.awarded_agency_id)
        job = await assignments.lock_award(uow, trip.awarded_agency_id, trip.award_token)
        if job is not None and job.is_live:
            is_new = job.material_version < trip.material_version
            job, events = await tracking.redirect(uow, job.flagged(trip), clock())
            await assignments.save(uow, job)
            announce(uow, events)
            if is_new:  # it has to be accepted
                await notices.tell(uow, trip, job.agency_id, "trip_changed", event)


async def _reopen(uow: UnitOfWork, event: hospital.TransportRequestReopened) -> None:
    """Offer a trip again; an agency that has the patient aboard all the same keeps its claim."""
    trip = await offered_trips.lock_older(uow, *_version(event.trip))
    if trip is None:
        return
    trip = hospital_events.reopened(trip, event)
    if not await awards.is_aboard(uow, trip):
        trip = trip.without_award(OfferState.OPEN)
    await offered_trips.save(uow, trip)
    await matching.offer_to_all(uow, trip)


async def _end(uow: UnitOfWork, event: Ended, status: BidStatus, clock: Clock) -> None:
    trip = await offered_trips.lock_older(uow, *_version(event.trip))
    if trip is None:
        return
    await offered_trips.save(uow, trip.without_award(OfferState.CLOSED))
    announce(uow, await awards.close(uow, trip.transport_request_id, status, clock()))


async def _warn(uow: UnitOfWork, conflict: hospital.TripConflictDetected, event: Received) -> None:
    """Tell the agency that what it reports does not fit: people have to look at it."""
    hospital_id, id, _ = _version(conflict.trip)
    trip = await offered_trips.find(uow, hospital_id, id)
    if trip is not None:
        told = {"conflict_kind": hospital_events.conflict_kind(conflict)}
        await notices.tell(uow, trip, UUID(conflict.agency_id), "trip_conflict", event, **told)
