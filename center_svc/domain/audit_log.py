"""The trail: who did what, and the chain of hashes that shows an edited entry."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from chassis.vocabulary import ActorKind, AuditOutcome, Silo


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing done or refused. ``changes`` names fields and values that are not PHI."""

    id: UUID
    source_silo: Silo
    organization_id: UUID | None
    user_id: UUID | None
    actor_kind: ActorKind
    action: str
    entity_type: str
    entity_id: UUID | None
    changes: dict[str, Any]
    outcome: AuditOutcome
    reason: str | None
    occurred_at: datetime
    ip_address: IPv4Address | IPv6Address | None
    request_id: UUID | None

    def link(self, previous: bytes) -> bytes:
        """Return sha256(previous || this entry as canonical JSON): its chain_hash.

        Numbers in ``changes`` are hashed as floats, as events carry them: 1 and 1.0 are one value.
        """
        row = {field.name: _plain(getattr(self, field.name)) for field in fields(AuditEntry)}
        text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(previous + text.encode()).digest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any of its types
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case bool() | None:
            return value
        case int() | float():
            return float(value)
        case datetime():
            return int(value.timestamp() * 1_000_000)
        case _:
            return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(AuditEntry):
    """An entry as it stands in the trail."""

    recorded_at: datetime
    chain_hash: bytes
