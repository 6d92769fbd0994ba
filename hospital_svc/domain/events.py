"""What the hospital silo announces about trips, in the past tense.

Each carries the trip as the event left it: its row_version is the event's subject version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from hospital_svc.domain.awards import Award
    from hospital_svc.domain.offers import Plan
    from hospital_svc.domain.transport_requests import TransportRequest


class ReopenReason(StrEnum):
    AWARD_DECLINED = "AWARD_DECLINED"
    AWARD_TIMED_OUT = "AWARD_TIMED_OUT"
    AWARD_REVOKED = "AWARD_REVOKED"
    TRIP_DROPPED = "TRIP_DROPPED"


class RevokeReason(StrEnum):
    TIMED_OUT = "TIMED_OUT"
    BY_HOSPITAL = "BY_HOSPITAL"
    PATIENT_ABOARD_ELSEWHERE = "PATIENT_ABOARD_ELSEWHERE"


class ConflictKind(StrEnum):
    STALE_AWARD_ABOARD = "STALE_AWARD_ABOARD"
    NEWS_AFTER_END = "NEWS_AFTER_END"
    OLDER_NEEDS = "OLDER_NEEDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestCreated:
    trip: TransportRequest
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestUpdated:
    trip: TransportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestAwarded:
    trip: TransportRequest
    award: Award


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRevoked:
    trip: TransportRequest
    award: Award
    reason: RevokeReason


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestReopened:
    trip: TransportRequest
    plan: Plan
    reason: ReopenReason


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestProgressed:
    trip: TransportRequest
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationRequested:
    trip: TransportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestCancelled:
    trip: TransportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestExpired:
    trip: TransportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequestCompleted:
    trip: TransportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientReceiptConfirmed:
    trip: TransportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TripConflictDetected:
    trip: TransportRequest
    agency_id: UUID
    award_token: UUID
    kind: ConflictKind


Event = (
    TransportRequestCreated
    | TransportRequestUpdated
    | TransportRequestAwarded
    | AwardRevoked
    | TransportRequestReopened
    | TransportRequestProgressed
    | CancellationRequested
    | TransportRequestCancelled
    | TransportRequestExpired
    | TransportRequestCompleted
    | PatientReceiptConfirmed
    | TripConflictDetected
)
