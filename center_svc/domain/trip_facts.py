"""What is known about a trip, folded from the events of two silos."""

from __future__ import annotations

from chassis.vocabulary import TripStatus

# When a trip reached a status; in the order in which they happen.
REACHED = {
    TripStatus.ACCEPTED: "accepted_at",
    TripStatus.EN_ROUTE: "en_route_at",
    TripStatus.AT_PICKUP: "arrived_pickup_at",
    TripStatus.IN_TRANSIT: "picked_up_at",
    TripStatus.AT_DESTINATION: "arrived_destination_at",
    TripStatus.COMPLETED: "completed_at",
}
