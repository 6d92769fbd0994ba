"""Follows the service levels that Center watches: who asked for a trip hears that it is late."""

from __future__ import annotations

from uuid import UUID

from medport.center.events.v1.sla_timers_pb2 import SlaBreached

from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from hospital_svc import notices
from hospital_svc.messages.sla_timers import missed
from hospital_svc.repositories import transport_requests


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case SlaBreached() as breached:
            hospital_id, id = UUID(breached.trip.hospital_id), breached.trip.transport_request_id
            await uow.use_tenant(hospital_id)
            for trip in await transport_requests.list_named(uow, hospital_id, [UUID(id)]):
                told, source = missed(breached), UUID(event.metadata.id)
                await notices.tell(uow, trip, "sla_breached", source, with_admins=True, **told)
