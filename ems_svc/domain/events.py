"""What the EMS silo announces, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from chassis.vocabulary import JobStatus

if TYPE_CHECKING:
    from ems_svc.domain.agencies import Agency
    from ems_svc.domain.assignments import Assignment
    from ems_svc.domain.audit_entries import AuditEntry
    from ems_svc.domain.awards import Award
    from ems_svc.domain.transport_bids import TransportBid
    from ems_svc.domain.unit_locations import UnitLocation
    from ems_svc.domain.units import Unit


@dataclass(frozen=True, slots=True)
class AgencyProvisioned:
    agency: Agency


@dataclass(frozen=True, slots=True)
class AgencyUpdated:
    agency: Agency


@dataclass(frozen=True, slots=True)
class BidSubmitted:
    bid: TransportBid


@dataclass(frozen=True, slots=True)
class BidRevised:
    bid: TransportBid


@dataclass(frozen=True, slots=True)
class BidClosed:
    bid: TransportBid


@dataclass(frozen=True, slots=True)
class AwardConfirmed:
    job: Assignment
    bid: TransportBid


@dataclass(frozen=True, slots=True)
class AwardDeclined:
    hospital_id: UUID
    transport_request_id: UUID
    trip_version: int
    award: Award
    reason: str


@dataclass(frozen=True, slots=True)
class UnitAssigned:
    job: Assignment
    unit: Unit
    at: datetime


@dataclass(frozen=True, slots=True)
class UnitUnassigned:
    job: Assignment
    unit: Unit
    at: datetime


@dataclass(frozen=True, slots=True)
class TripAdvanced:
    """``job`` is as it was after this step, with the version of this step."""

    job: Assignment
    status: JobStatus
    at: datetime
    unit: Unit
    is_inferred: bool


@dataclass(frozen=True, slots=True)
class TripEtaChanged:
    job: Assignment
    at: datetime


@dataclass(frozen=True, slots=True)
class TripDropped:
    job: Assignment
    reason: str


@dataclass(frozen=True, slots=True)
class CancellationConfirmed:
    job: Assignment
    cancel_token: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class CancellationRefused:
    job: Assignment
    cancel_token: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class TripChangeAccepted:
    job: Assignment


@dataclass(frozen=True, slots=True)
class UnitStatusChanged:
    unit: Unit
    at: datetime


@dataclass(frozen=True, slots=True)
class UnitUpdated:
    unit: Unit


@dataclass(frozen=True, slots=True)
class UnitLocationReported:
    job: Assignment
    location: UnitLocation


@dataclass(frozen=True, slots=True)
class AccessAudited:
    entry: AuditEntry


JobEvent = (
    AwardConfirmed
    | UnitAssigned
    | UnitUnassigned
    | TripAdvanced
    | TripEtaChanged
    | TripDropped
    | CancellationConfirmed
    | CancellationRefused
    | TripChangeAccepted
    | UnitLocationReported
)
Event = (
    AgencyProvisioned
    | AgencyUpdated
    | BidSubmitted
    | BidRevised
    | BidClosed
    | AwardDeclined
    | UnitStatusChanged
    | UnitUpdated
    | AccessAudited
    | JobEvent
)
