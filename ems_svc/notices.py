"""Tells an agency's users what became of its trips: by number, and nothing of rivals or prices."""

from __future__ import annotations

from uuid import UUID

from chassis.clock import utc_now
from chassis.notification_rows import Notice
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from ems_svc.domain.offered_trips import OfferedTrip
from ems_svc.repositories import notifications


async def tell(
    uow: UnitOfWork,
    trip: OfferedTrip,
    agency_id: UUID,
    template_name: str,
    event: Received,
    **variables: str,
) -> None:
    """Tell who answers for the agency's trips, once per event; turns to the agency's rows."""
    await uow.use_tenant(agency_id)
    notice = Notice(
        template_name=template_name,
        variables={"trip_number": trip.trip_number, **variables},
        source_event_id=UUID(event.metadata.id),
    )
    recipients = await notifications.whom(uow, agency_id)
    await notifications.rows.queue(
        uow, notice, tenant=agency_id, recipients=recipients, at=utc_now()
    )
