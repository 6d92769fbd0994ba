"""Follows the service levels that Center watches: the agency that should have acted hears of it."""

from __future__ import annotations

from uuid import UUID

from medport.center.events.v1.sla_timers_pb2 import SlaBreached

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc import notices
from ems_svc.messages.sla_timers import missed
from ems_svc.repositories import offered_trips


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case SlaBreached(agency_id=agency_id, trip=ref) as breached if agency_id:
            trip = await offered_trips.find(
                uow, UUID(ref.hospital_id), UUID(ref.transport_request_id)
            )
            if trip is not None:
                told = missed(breached)
                await notices.tell(uow, trip, UUID(agency_id), "sla_breached", event, **told)
