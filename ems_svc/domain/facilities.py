"""A facility as its hospital describes it to the mesh."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ems_svc.domain.distances import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    facility_id: UUID
    hospital_id: UUID
    hospital_name: str
    name: str
    type: str
    address: str
    city: str
    state: str
    zip_code: str
    latitude: float
    longitude: float
    capabilities: list[str]
    is_active: bool
    facility_version: int

    @property
    def place(self) -> Place:
        return Place(self.latitude, self.longitude)
