"""Where the unit of a trip was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hospital_svc.domain.refusals import TripEnded
from hospital_svc.domain.transport_requests import TransportRequest

STALE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    agency_id: UUID
    unit_id: UUID
    latitude: float
    longitude: float
    fix_at: datetime

    def is_of(self, trip: TransportRequest) -> bool:
        """Tell whether it shows who has the trip now, and not who had it before."""
        return (self.agency_id, self.unit_id) == (trip.assigned_agency_id, trip.assigned_unit_id)

    def is_stale(self, at: datetime) -> bool:
        return at - self.fix_at > STALE


def refuse_unless_live(trip: TransportRequest) -> None:
    """Refuse to tell where a unit goes after its trip: that is its agency's business."""
    if not trip.is_live:
        raise TripEnded(f"the trip is {trip.status}", state=trip.status, id=str(trip.id))
