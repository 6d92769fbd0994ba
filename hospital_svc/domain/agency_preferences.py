"""Which agency a hospital asks first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyPreference:
    hospital_id: UUID
    id: UUID
    agency_id: UUID
    is_active: bool
    preference_order: int
    notes: str | None
    created_at: datetime
    updated_at: datetime
    row_version: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A preference, and the name of its agency if the directory knows it."""

    preference: AgencyPreference
    agency_name: str | None
