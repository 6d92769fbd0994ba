"""An agency, as the EMS silo announced it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.vocabulary import RegistryStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryAgency:
    agency_id: UUID
    name: str
    phone: str | None
    city: str | None
    state: str | None
    latitude: float | None
    longitude: float | None
    levels: list[str]
    capabilities: list[str]
    registry_status: RegistryStatus
    registry_version: int
    agency_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which agencies to list: of any of the standings, any of the levels, all of the equipment.

    No levels let every agency pass, also one that has not named any yet.
    """

    registry_statuses: Sequence[str]
    levels: Sequence[str]
    capabilities: Sequence[str]
