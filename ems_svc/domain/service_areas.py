"""Where an agency picks patients up: circles, and polygons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.errors import AlreadyExists, InvalidArgument
from ems_svc.domain import polygons
from ems_svc.domain.distances import Place, haversine_miles

MOST_MILES = 500.0


class PrimaryAreaExists(AlreadyExists):
    reason = "PRIMARY_AREA_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceArea:
    """A circle; or a polygon, when it has a ``boundary``: pairs of latitude and longitude."""

    agency_id: UUID
    id: UUID
    name: str
    center_latitude: float
    center_longitude: float
    radius_miles: float
    boundary: list[list[float]]
    is_primary: bool
    is_active: bool
    created_at: datetime
    updated_at: datetime
    row_version: int

    def must_be_redrawn(self, boundary: Sequence[object], named: Collection[str]) -> None:
        """Refuse to lose the boundary unless ``named`` has the circle that takes its place.

        The one that is here lies around the polygon: the agency would be offered trips from where
        it never meant to go.
        """
        missing = {"center", "radius_miles"} - set(named)
        if self.boundary and not boundary and missing:
            why = "must be given, too, where the boundary is taken away"
            raise InvalidArgument(
                "the area would be wider than it was drawn",
                violations={f"service_area.{name}": why for name in sorted(missing)},
            )

    def covers(self, place: Place) -> bool:
        """Tell whether the agency picks up here; the edge is inside."""
        if not self.is_active:
            return False
        if self.boundary:
            return polygons.contains([Place(*each) for each in self.boundary], place)
        center = Place(self.center_latitude, self.center_longitude)
        return haversine_miles(center, place) <= self.radius_miles


def circle_of(boundary: Sequence[Place]) -> tuple[Place, float]:
    """Return the circle around a polygon; raises InvalidArgument for points that bound no area."""
    why = polygons.objection(boundary)
    if why is None:
        center, radius_miles = polygons.circle_around(boundary)
        if radius_miles <= MOST_MILES:
            return center, radius_miles
        why = f"must fit into a circle of {MOST_MILES:.0f} miles"
    raise InvalidArgument("the boundary bounds no area", violations={"service_area.boundary": why})
