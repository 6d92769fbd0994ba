"""Tells a hospital's users what became of their trips: by number, and nothing about the patient."""

from __future__ import annotations

from uuid import UUID

from chassis.clock import utc_now
from chassis.notification_rows import Notice
from chassis.unit_of_work import UnitOfWork
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.repositories import notifications


async def tell(
    uow: UnitOfWork,
    trip: TransportRequest,
    template_name: str,
    source_event_id: UUID,
    *,
    with_admins: bool = False,
    **variables: str,
) -> None:
    """Tell who asked for the trip, and the administrators if it is theirs to know, once.

    What no event of a peer made so has the trip's own id for a source.
    """
    recipients = await notifications.whom(
        uow, trip.hospital_id, trip.created_by_id, with_admins=with_admins
    )
    notice = Notice(
        template_name=template_name,
        variables={"trip_number": trip.trip_number, **variables},
        source_event_id=source_event_id,
    )
    await notifications.rows.queue(
        uow, notice, tenant=trip.hospital_id, recipients=recipients, at=utc_now()
    )
