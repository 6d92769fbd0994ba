"""A facility that a trip may begin or end at, of whichever hospital."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis.vocabulary import FacilityType


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacility:
    facility_id: UUID
    hospital_id: UUID
    hospital_name: str
    name: str
    type: FacilityType
    address: str
    city: str
    state: str
    zip_code: str
    latitude: float
    longitude: float
    capabilities: list[str]
    is_active: bool
    facility_version: int
