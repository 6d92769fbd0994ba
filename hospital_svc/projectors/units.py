"""Follows where the units of live trips are."""

from __future__ import annotations

from uuid import UUID

from medport.ems.events.v1.units_pb2 import UnitLocationReported

from chassis.clock import instant, utc_now
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from hospital_svc.repositories import trip_tracking


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case UnitLocationReported() as reported:
            hospital_id = UUID(reported.job.trip.hospital_id)
            await uow.use_tenant(hospital_id)
            await trip_tracking.put(
                uow,
                hospital_id,
                UUID(reported.job.trip.transport_request_id),
                agency_id=UUID(reported.job.agency_id),
                unit_id=UUID(reported.unit_id),
                latitude=reported.location.latitude,
                longitude=reported.location.longitude,
                fix_at=instant(reported.fix_time),
                received_at=utc_now(),
            )
