"""An agency, and its standing with Center."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import FailedPrecondition
from chassis.vocabulary import RegistryStatus
from ems_svc.domain.distances import Place
from ems_svc.domain.events import AgencyUpdated


class AgencyNotActive(FailedPrecondition):
    reason = "AGENCY_NOT_ACTIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    agency_id: UUID
    service_id: UUID
    name: str
    contact_name: str | None
    phone: str
    email: str
    address: str
    city: str
    state: str
    zip_code: str
    latitude: float
    longitude: float
    operating_hours: list[dict[str, Any]]
    levels: list[str]
    capabilities: list[str]
    status: RegistryStatus
    registry_version: int
    added_by: UUID
    added_at: datetime
    created_at: datetime
    updated_at: datetime
    row_version: int

    @property
    def base(self) -> Place:
        return Place(self.latitude, self.longitude)

    @property
    def is_active(self) -> bool:
        return self.status is RegistryStatus.ACTIVE

    def must_be_active(self) -> None:
        """Refuse what a suspended agency may not begin; what it has begun it finishes."""
        if not self.is_active:
            raise AgencyNotActive(f"the agency is {self.status}", state=self.status)

    def changed(self, at: datetime, **values: object) -> tuple[Agency, AgencyUpdated]:
        """Take new ``values``, by field name."""
        changes: dict[str, Any] = dict(values)
        agency = replace(self, **changes, updated_at=at, row_version=self.row_version + 1)
        return agency, AgencyUpdated(agency)

    def stand(
        self, status: RegistryStatus, registry_version: int, at: datetime
    ) -> tuple[Agency, AgencyUpdated] | None:
        """Take the standing that Center gives; None when it is older than what is known."""
        if registry_version <= self.registry_version:
            return None
        return self.changed(at, status=status, registry_version=registry_version)
