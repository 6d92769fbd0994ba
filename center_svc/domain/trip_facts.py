"""What is known about a trip, folded from the events of two silos."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis.vocabulary import Priority, TransportLevel, TripStatus

# When a trip reached a status; in the order in which they happen.
REACHED = {
    TripStatus.ACCEPTED: "accepted_at",
    TripStatus.EN_ROUTE: "en_route_at",
    TripStatus.AT_PICKUP: "arrived_pickup_at",
    TripStatus.IN_TRANSIT: "picked_up_at",
    TripStatus.AT_DESTINATION: "arrived_destination_at",
    TripStatus.COMPLETED: "completed_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TripKey:
    hospital_id: UUID
    transport_request_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TripNeed:
    """What the hospital asks for, as far as figures are made of it."""

    transport_level: TransportLevel
    priority: Priority
    origin_facility_id: UUID
    destination_facility_id: UUID
