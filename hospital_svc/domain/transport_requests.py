"""A transport request: one patient moved once between two facilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chassis.vocabulary import (
    ActorKind,
    AgeBand,
    CancellationIntent,
    CancellationReason,
    OfferMode,
    Priority,
    TransportLevel,
    TripLeg,
    TripStatus,
    WeightBand,
)

if TYPE_CHECKING:
    from hospital_svc.domain.awards import Award
    from hospital_svc.domain.events import Event

ENDED = frozenset({TripStatus.COMPLETED, TripStatus.CANCELLED, TripStatus.EXPIRED})
ABOARD = frozenset({TripStatus.IN_TRANSIT, TripStatus.AT_DESTINATION})
WAY = (
    TripStatus.ACCEPTED,
    TripStatus.EN_ROUTE,
    TripStatus.AT_PICKUP,
    TripStatus.IN_TRANSIT,
    TripStatus.AT_DESTINATION,
    TripStatus.COMPLETED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportRequest:
    """A row of ``transport_request``; decisions return new ones."""

    hospital_id: UUID
    id: UUID
    trip_number: str
    patient_id: str | None
    patient_purged_at: datetime | None = None
    origin_detail: str | None
    destination_detail: str | None
    special_requirements: str | None
    leg: TripLeg = TripLeg.OUTBOUND
    parent_transport_request_id: UUID | None = None
    origin_hospital_id: UUID
    origin_facility_id: UUID
    destination_hospital_id: UUID
    destination_facility_id: UUID
    transport_level: TransportLevel
    priority: Priority
    status: TripStatus = TripStatus.PENDING
    required_capabilities: list[str]
    age_band: AgeBand
    weight_band: WeightBand
    ready_at: datetime
    latest_pickup_at: datetime
    offer_mode: OfferMode
    offer_expires_at: datetime
    requested_at: datetime
    awarded_at: datetime | None = None
    accepted_at: datetime | None = None
    en_route_at: datetime | None = None
    arrived_pickup_at: datetime | None = None
    picked_up_at: datetime | None = None
    arrived_destination_at: datetime | None = None
    completed_at: datetime | None = None
    received_at: datetime | None = None
    cancelled_at: datetime | None = None
    expired_at: datetime | None = None
    award_id: UUID | None = None
    assigned_agency_id: UUID | None = None
    assigned_unit_id: UUID | None = None
    assigned_unit_number: str | None = None
    assigned_unit_as_of_at: datetime | None = None
    eta_pickup_at: datetime | None = None
    eta_destination_at: datetime | None = None
    eta_as_of_at: datetime | None = None
    cancellation_reason: CancellationReason | None = None
    cancellation_note: str | None = None
    cancel_requested_at: datetime | None = None
    cancel_requested_by: UUID | None = None
    cancel_token: UUID | None = None
    cancel_intent: CancellationIntent | None = None
    cancel_refused_at: datetime | None = None
    created_by_id: UUID
    material_version: int = 1
    created_at: datetime
    updated_at: datetime
    row_version: int = 1

    @property
    def is_live(self) -> bool:
        return self.status not in ENDED

    @property
    def is_release_asked(self) -> bool:
        """EMS was asked to let the trip go, and has not answered."""
        return self.cancel_token is not None and self.cancel_refused_at is None

    @property
    def is_end_asked(self) -> bool:
        """Whatever frees the trip now ends it: its hospital has no more use for it."""
        return self.is_release_asked and self.cancel_intent is CancellationIntent.CANCEL

    def changed(self, at: datetime, **columns: Any) -> TransportRequest:  # noqa: ANN401 - columns
        """Give the next version: one per event, so that a copy can tell new from old."""
        return replace(self, row_version=self.row_version + 1, updated_at=at, **columns)


# What a trip loses when its award ends; its history keeps it.
FREED: dict[str, Any] = dict.fromkeys(
    (
        "awarded_at",
        "accepted_at",
        "en_route_at",
        "arrived_pickup_at",
        "picked_up_at",
        "arrived_destination_at",
        "completed_at",
        "award_id",
        "assigned_agency_id",
        "assigned_unit_id",
        "assigned_unit_number",
        "assigned_unit_as_of_at",
        "eta_pickup_at",
        "eta_destination_at",
        "eta_as_of_at",
    )
)
UNASKED: dict[str, Any] = dict.fromkeys(
    (
        "cancellation_reason",
        "cancellation_note",
        "cancel_requested_at",
        "cancel_requested_by",
        "cancel_token",
        "cancel_intent",
        "cancel_refused_at",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who makes a decision: a user, another silo's event, or the clock."""

    kind: ActorKind
    user_id: UUID | None = None
    event_id: UUID | None = None


SYSTEM = Actor(kind=ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of a trip's history."""

    status: TripStatus
    occurred_at: datetime
    actor: Actor
    notes: str | None = None  # what a user said about it, perhaps of the patient
    is_conflict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All that one decision changes: written together, or not at all.

    ``awards`` are saved in their order: one is given up before another holds.
    """

    trip: TransportRequest
    events: tuple[Event, ...]
    steps: tuple[Step, ...] = ()
    awards: tuple[Award, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which trips to list; None lets all pass."""

    statuses: Sequence[str] | None = None
    since_at: datetime | None = None
    until_at: datetime | None = None
    origin_facility_id: UUID | None = None
    assigned_agency_id: UUID | None = None
