"""A planned route: its stops in their order, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any
from uuid import UUID

from chassis.errors import FailedPrecondition, InvalidArgument
from ems_svc.domain import route_orders
from ems_svc.domain.distances import Place, driving, haversine_miles

METERS_PER_MILE = 1609.344
MOST_MILES = 25_000


class RouteState(FailedPrecondition):
    reason = "ROUTE_STATE"


class FeatureDisabled(FailedPrecondition):
    """Center has the optimisation of routes off for the agency."""

    reason = "FEATURE_DISABLED"

    def __init__(self) -> None:
        name = "route_optimization"
        super().__init__(f"{name} is not on for the agency", feature_name=name)


class RouteType(StrEnum):
    OPTIMIZED = "OPTIMIZED"
    STANDARD = "STANDARD"
    EMERGENCY = "EMERGENCY"
    CUSTOM = "CUSTOM"


class RouteStatus(StrEnum):
    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    ARCHIVED = "ARCHIVED"


class RouteStopKind(StrEnum):
    BASE = "BASE"
    PICKUP = "PICKUP"
    DROPOFF = "DROPOFF"


# What a verb makes of a route, and of which ones.
MOVES = {
    RouteStatus.ACTIVE: (RouteStatus.DRAFT,),
    RouteStatus.COMPLETED: (RouteStatus.ACTIVE,),
    RouteStatus.ARCHIVED: (RouteStatus.DRAFT, RouteStatus.COMPLETED),
}
CHANGEABLE = (RouteStatus.DRAFT, RouteStatus.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStop:
    """A stop; its place is not known yet when only its facility was named."""

    kind: RouteStopKind
    facility_id: UUID | None
    transport_request_id: UUID | None
    place: Place | None

    @property
    def known_place(self) -> Place:
        if self.place is None:
            raise LookupError("the stop has not been placed")
        return self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    agency_id: UUID
    id: UUID
    route_name: str
    route_type: RouteType
    distance_miles: float
    estimated_minutes: int
    status: RouteStatus
    created_at: datetime
    updated_at: datetime
    row_version: int
    stops: tuple[RouteStop, ...]

    @property
    def distance_meters(self) -> int:
        return round(self.distance_miles * METERS_PER_MILE)

    def changed(self, factor: Decimal, at: datetime, **values: object) -> Route:
        """Take new ``values``; raises RouteState once it has been driven or put away."""
        self.must_be_changeable()
        changes: dict[str, Any] = dict(values)
        route = replace(self, **changes, updated_at=at, row_version=self.row_version + 1)
        return route.measured(factor)

    def must_be_changeable(self) -> None:
        if self.status not in CHANGEABLE:
            raise self._state("does not change any more")

    def move_to(self, status: RouteStatus, at: datetime) -> Route:
        if self.status not in MOVES[status]:
            raise self._state(f"does not become {status}")
        return replace(self, status=status, updated_at=at, row_version=self.row_version + 1)

    def shortened(self) -> list[RouteStop]:
        """Return the stops in a short order; pickups stay before their drop-offs."""
        places = [each.known_place for each in self.stops]
        miles = [[haversine_miles(a, b) for b in places] for a in places]
        bases = [each.kind is RouteStopKind.BASE for each in self.stops]
        pickups = {
            each.transport_request_id: number
            for number, each in enumerate(self.stops)
            if each.kind is RouteStopKind.PICKUP and each.transport_request_id
        }
        after = {
            number: pickups[each.transport_request_id]
            for number, each in enumerate(self.stops)
            if each.kind is RouteStopKind.DROPOFF and each.transport_request_id in pickups
        }
        order = route_orders.shortest(miles, after, first=bases[0], last=bases[-1])
        return [self.stops[number] for number in order]

    def measured(self, factor: Decimal) -> Route:
        """Compute length and time from the stops: they are never typed in."""
        places = [each.known_place for each in self.stops]
        straight = sum(haversine_miles(a, b) for a, b in pairwise(places))
        miles = float((Decimal(straight) * factor).quantize(Decimal("0.001"), ROUND_HALF_UP))
        if miles > MOST_MILES:
            raise InvalidArgument(
                "the route is too long",
                violations={"route.waypoints": f"must not be longer than {MOST_MILES} miles"},
            )
        minutes = round(driving(miles).total_seconds() / 60)
        return replace(self, distance_miles=miles, estimated_minutes=minutes)

    def _state(self, text: str) -> RouteState:
        return RouteState(f"the route is {self.status} and {text}", state=self.status)


def create(agency_id: UUID, id: UUID, factor: Decimal, at: datetime, **values: object) -> Route:
    given: dict[str, Any] = dict(values)
    route = Route(
        agency_id=agency_id,
        id=id,
        distance_miles=0,
        estimated_minutes=0,
        status=RouteStatus.DRAFT,
        created_at=at,
        updated_at=at,
        row_version=1,
        **given,
    )
    return route.measured(factor)


def check(stops: Sequence[RouteStop]) -> None:
    """Refuse stops that nobody could drive in this order."""
    seen, wrong = set[tuple[RouteStopKind, UUID]](), dict[str, str]()
    trips = {each.transport_request_id for each in stops if each.kind is RouteStopKind.PICKUP}
    for number, stop in enumerate(stops):
        trip = stop.transport_request_id
        if trip is None:
            continue
        path = f"route.waypoints[{number}].transport_request_id"
        if stop.kind is RouteStopKind.BASE:
            wrong[path] = "nobody gets in or out at a base"
        elif (stop.kind, trip) in seen:
            wrong[path] = "the trip has another such stop"
        elif (
            stop.kind is RouteStopKind.DROPOFF
            and trip in trips
            and (RouteStopKind.PICKUP, trip) not in seen
        ):
            wrong[path] = "the drop-off comes before its pickup"
        seen.add((stop.kind, trip))
    if wrong:
        raise InvalidArgument("the stops cannot be driven in this order", violations=wrong)
