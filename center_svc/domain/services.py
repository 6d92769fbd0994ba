"""A service: a hospital or an agency on its way into the mesh, in it, or out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from center_svc.domain.events import (
    ServiceRegistered,
    ServiceReinstated,
    ServiceRetired,
    ServiceSuspended,
)
from chassis.errors import AlreadyExists, EtagMismatch, FailedPrecondition
from chassis.vocabulary import RegistryStatus, ServiceType

INVITED_FOR = timedelta(days=7)


class ServiceNameTaken(AlreadyExists):
    reason = "SERVICE_NAME_TAKEN"


class ServiceNotAwaitingApproval(FailedPrecondition):
    reason = "SERVICE_NOT_AWAITING_APPROVAL"


class ServiceNotActive(FailedPrecondition):
    reason = "SERVICE_NOT_ACTIVE"


class ServiceNotSuspended(FailedPrecondition):
    reason = "SERVICE_NOT_SUSPENDED"


class ServiceIsRetired(FailedPrecondition):
    reason = "SERVICE_RETIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """``row_version`` counts what the other silos have heard: 0 is a registration held back."""

    id: UUID
    service_name: str
    service_type: ServiceType
    status: RegistryStatus
    external_id: UUID
    added_by: UUID
    added_at: datetime
    provisioned_at: datetime | None
    configuration: dict[str, Any]
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    row_version: int

    @property
    def etag(self) -> str:
        """Tell one state from another; ``row_version`` alone misses what nobody announces."""
        return f"{self.row_version:x}-{int(self.updated_at.timestamp() * 1_000_000):x}"

    @property
    def awaits_approval(self) -> bool:
        return self.status is RegistryStatus.PENDING and self.row_version == 0

    def read_as(self, etag: str) -> Service:
        """Return itself if the caller read this state, or does not care (an empty ``etag``)."""
        if etag and etag != self.etag:
            raise EtagMismatch
        return self

    def admit(self, invitation_hash: bytes, at: datetime) -> tuple[Service, ServiceRegistered]:
        """Tell the silo to make the tenant; it is ACTIVE once the silo has answered."""
        if not self.awaits_approval:
            raise ServiceNotAwaitingApproval(
                f"service {self.id} does not await approval", state=self.status
            )
        admitted = replace(self, row_version=1, updated_at=at)
        return admitted, ServiceRegistered(
            **_key(admitted),
            service_name=self.service_name,
            configuration=self.configuration,
            added_by=self.added_by,
            added_at=self.added_at,
            invitation_hash=invitation_hash,
            invitation_expires_at=at + INVITED_FOR,
        )

    def provisioned(self, at: datetime) -> Service:
        """Note that the silo made the tenant; what was suspended or retired meanwhile stays so."""
        if self.status is not RegistryStatus.PENDING:
            return self
        return replace(self, status=RegistryStatus.ACTIVE, provisioned_at=at, updated_at=at)

    def describe(self, service_name: str, metadata: dict[str, str], at: datetime) -> Service:
        """Change what only the center notes: no other silo hears of it."""
        self._refuse_retired()
        return replace(self, service_name=service_name, metadata=metadata, updated_at=at)

    def suspend(self, at: datetime) -> tuple[Service, ServiceSuspended]:
        if self.status is not RegistryStatus.ACTIVE:
            raise ServiceNotActive(f"service {self.id} is {self.status}", state=self.status)
        suspended = self._move(RegistryStatus.SUSPENDED, at)
        return suspended, ServiceSuspended(**_key(suspended))

    def reinstate(self, at: datetime) -> tuple[Service, ServiceReinstated]:
        if self.status is not RegistryStatus.SUSPENDED:
            raise ServiceNotSuspended(f"service {self.id} is {self.status}", state=self.status)
        reinstated = self._move(RegistryStatus.ACTIVE, at)
        return reinstated, ServiceReinstated(**_key(reinstated))

    def retire(self, at: datetime) -> tuple[Service, ServiceRetired | None]:
        """End it for good; of a registration that was held back nobody else has heard."""
        self._refuse_retired()
        if self.awaits_approval:
            return replace(self, status=RegistryStatus.RETIRED, updated_at=at), None
        retired = self._move(RegistryStatus.RETIRED, at)
        return retired, ServiceRetired(**_key(retired))

    def _move(self, status: RegistryStatus, at: datetime) -> Service:
        return replace(self, status=status, row_version=self.row_version + 1, updated_at=at)

    def _refuse_retired(self) -> None:
        if self.status is RegistryStatus.RETIRED:
            raise ServiceIsRetired(f"service {self.id} is retired", state=self.status)


def register(
    *,
    id: UUID,
    external_id: UUID,
    service_name: str,
    service_type: ServiceType,
    configuration: dict[str, Any],
    metadata: dict[str, str],
    by: UUID,
    at: datetime,
) -> Service:
    """Make a registration, held back until ``admit``; ``external_id`` is the tenant id to be."""
    return Service(
        id=id,
        service_name=service_name,
        service_type=service_type,
        status=RegistryStatus.PENDING,
        external_id=external_id,
        added_by=by,
        added_at=at,
        provisioned_at=None,
        configuration=configuration,
        metadata=metadata,
        created_at=at,
        updated_at=at,
        row_version=0,
    )


def _key(service: Service) -> dict[str, Any]:
    return {
        "service_id": service.id,
        "service_type": service.service_type,
        "external_id": service.external_id,
        "registry_version": service.row_version,
    }
