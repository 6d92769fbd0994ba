"""Circles in which an agency picks patients up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.errors import AlreadyExists
from ems_svc.domain.distances import Place, haversine_miles


class PrimaryAreaExists(AlreadyExists):
    reason = "PRIMARY_AREA_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceArea:
    agency_id: UUID
    id: UUID
    name: str
    center_latitude: float
    center_longitude: float
    radius_miles: float
    is_primary: bool
    is_active: bool
    created_at: datetime
    updated_at: datetime
    row_version: int

    def covers(self, place: Place) -> bool:
        center = Place(self.center_latitude, self.center_longitude)
        return self.is_active and haversine_miles(center, place) <= self.radius_miles
