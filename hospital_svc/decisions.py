"""All that one decision changes, written in the order that the indexes below it demand."""

from __future__ import annotations

from chassis.unit_of_work import UnitOfWork
from hospital_svc.domain.transport_requests import Decision
from hospital_svc.messages.events import announcement
from hospital_svc.repositories import awards, transport_requests, trip_history


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
