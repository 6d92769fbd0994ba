"""One step of what became of a trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.vocabulary import ActorKind, TripStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TripHistory:
    hospital_id: UUID
    id: UUID
    transport_request_id: UUID
    sequence: int
    status: TripStatus
    occurred_at: datetime
    recorded_at: datetime
    notes: str | None
    updated_by: UUID | None
    actor_kind: ActorKind
    source_event_id: UUID | None
    is_conflict: bool
