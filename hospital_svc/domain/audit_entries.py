"""What somebody did, or was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from chassis.vocabulary import ActorKind, AuditOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action; ``changes`` holds field names, states and ids, and nothing about a patient."""

    hospital_id: UUID
    id: UUID
    user_id: UUID | None
    actor_kind: ActorKind
    action: str
    entity_type: str
    entity_id: UUID | None
    changes: dict[str, Any] = field(default_factory=dict)
    outcome: AuditOutcome = AuditOutcome.ALLOWED
    reason: str | None = None
    occurred_at: datetime
    ip_address: IPv4Address | IPv6Address | None
    request_id: UUID | None
