"""Deciding about one trip: its row is held, and all that is decided is written, in one order."""

from __future__ import annotations

from uuid import UUID

from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.errors import EtagMismatch
from chassis.unit_of_work import UnitOfWork
from hospital_svc import audit
from hospital_svc.domain.transport_requests import Decision, TransportRequest
from hospital_svc.messages import transport_requests as messages
from hospital_svc.messages.events import announcement
from hospital_svc.repositories import awards, transport_requests, trip_history

NOUN = "transport_request"


async def lock(uow: UnitOfWork, hospital_id: UUID, id: UUID, etag: str) -> TransportRequest:
    """Hold a trip's row; raises EtagMismatch when the caller decided about an older version."""
    trip = await transport_requests.lock(uow, hospital_id, id)
    refuse_stale(trip, etag)
    return trip


def refuse_stale(trip: TransportRequest, etag: str) -> None:
    if etag not in {"", str(trip.row_version)}:
        raise EtagMismatch


async def settle(uow: UnitOfWork, decision: Decision, **changes: object) -> pb.TransportRequest:
    """Write what a caller decided, and the trail of it; return the trip as it now stands."""
    trip = decision.trip
    await write(uow, decision)
    known = {"status": trip.status, **changes}
    await audit.note(uow, trip.hospital_id, NOUN, trip.id, at=trip.updated_at, **known)
    return messages.transport_request(trip)


async def write(uow: UnitOfWork, decision: Decision) -> None:
    """Write back a trip read with ``lock``, its awards and history, and announce what happened."""
    await transport_requests.save(uow, decision.trip)
    await _follow(uow, decision)


async def write_new(uow: UnitOfWork, decision: Decision) -> None:
    """Write a trip that was not there; raises TripAlreadyLive."""
    await transport_requests.add(uow, decision.trip)
    await _follow(uow, decision)


async def _follow(uow: UnitOfWork, decision: Decision) -> None:
    for award in decision.awards:
        await awards.put(uow, award)
    for step in decision.steps:
        await trip_history.add(uow, decision.trip, step)
    for event in decision.events:
        uow.emit(announcement(event))
