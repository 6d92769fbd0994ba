"""When a unit will be where: estimates from where it is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chassis.vocabulary import JobStatus
from ems_svc.domain.distances import TURNOUT_MINUTES, Place, driving, road_miles


@dataclass(frozen=True, slots=True)
class Start:
    """Where a unit sets out from, and when."""

    place: Place
    at: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """Both ends of a trip, and how much longer roads are than the great circle."""

    origin: Place
    destination: Place
    factor: Decimal

    @property
    def loaded_miles(self) -> float:
        return road_miles(self.origin, self.destination, self.factor)

    def deadhead_miles(self, unit: Place) -> float:
        return road_miles(unit, self.origin, self.factor)

    def estimate(
        self, status: JobStatus, unit: Place, at: datetime
    ) -> tuple[datetime | None, datetime | None]:
        """Return the arrivals at origin and destination that still lie ahead."""
        loaded = driving(self.loaded_miles)
        approach = driving(self.deadhead_miles(unit))
        match status:
            case JobStatus.ACCEPTED:  # the wheels do not turn yet
                pickup = at + timedelta(minutes=TURNOUT_MINUTES) + approach
                return pickup, pickup + loaded
            case JobStatus.EN_ROUTE:
                return at + approach, at + approach + loaded
            case JobStatus.AT_PICKUP:
                return None, at + loaded
            case JobStatus.IN_TRANSIT:
                return None, at + driving(road_miles(unit, self.destination, self.factor))
            case _:
                return None, None
