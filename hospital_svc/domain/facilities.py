"""A hospital's facility, and which of them to list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.vocabulary import FacilityType


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A row of ``hospital_facility``; ``operating_hours`` are periods as the contract has them."""

    hospital_id: UUID
    id: UUID
    name: str
    type: FacilityType
    address: str
    city: str
    state: str
    zip_code: str
    latitude: float
    longitude: float
    phone: str | None
    email: str | None
    operating_hours: list[dict[str, int]]
    capabilities: list[str]
    is_active: bool
    created_at: datetime
    updated_at: datetime
    row_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which facilities to list: of any of the types, with all of the capabilities."""

    types: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    active_only: bool = False

    def parameters(self) -> dict[str, Any]:
        return {
            "types": list(self.types or FacilityType),
            "having": list(self.capabilities),
            "active_only": self.active_only,
        }
