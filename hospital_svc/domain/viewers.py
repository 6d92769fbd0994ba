"""Who may see what identifies the patient (domain.md, section 6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from chassis.vocabulary import TripStatus
from hospital_svc.domain.transport_requests import TransportRequest

PHI = frozenset(
    {
        "patient_id",
        "special_requirements",
        "origin_detail",
        "destination_detail",
        "cancellation_note",
    }
)
CARRYING = PHI - {"cancellation_note"}
BILLED = frozenset({"patient_id", "special_requirements"})
BILLED_FOR = timedelta(days=90)
# How long the patient of an ended trip is known, unless Center configures another time.
REMEMBERED_FOR = timedelta(days=365)


def is_carried_by(trip: TransportRequest, unit_id: UUID | None) -> bool:
    """Tell whether a crew of this unit has the job; one without a unit has none."""
    return unit_id is not None and trip.assigned_unit_id == unit_id


def of_agency(
    trip: TransportRequest, agency_id: UUID, *, is_billing: bool, at: datetime
) -> frozenset[str] | None:
    """Return what an agency's user sees of the patient; None: the trip is not there for it.

    Losing the job ends access at once. Billing sees a completed trip for 90 days, and no other.
    """
    if trip.assigned_agency_id != agency_id:
        return None
    if trip.status is TripStatus.COMPLETED:
        done = trip.completed_at or trip.updated_at
        return BILLED if is_billing and at < done + BILLED_FOR else frozenset()
    return None if is_billing else CARRYING
