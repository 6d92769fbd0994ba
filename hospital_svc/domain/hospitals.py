"""A hospital that this silo serves: a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.vocabulary import RegistryStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    hospital_id: UUID
    service_id: UUID
    name: str
    status: RegistryStatus
    registry_version: int
    time_zone: str
    created_at: datetime
    updated_at: datetime
    row_version: int
