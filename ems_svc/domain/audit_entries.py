"""Who did what: a row of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from chassis.vocabulary import ActorKind, AuditOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """``changes`` holds field names and values, never health information or free text."""

    agency_id: UUID
    id: UUID
    user_id: UUID | None
    actor_kind: ActorKind
    action: str
    entity_type: str
    entity_id: UUID | None
    changes: Mapping[str, Any]
    outcome: AuditOutcome
    reason: str | None
    occurred_at: datetime
    ip_address: IPv4Address | IPv6Address | None
    request_id: UUID | None
