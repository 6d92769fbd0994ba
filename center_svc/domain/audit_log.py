"""The trail: who did what, and the chain of hashes that shows an edited entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
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
    chain_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries; None or nothing lets all pass, in each field but ``source_silos``."""

    organization_id: UUID | None
    source_silos: Sequence[Silo]
    user_id: UUID | None
    entity_type: str
    entity_id: UUID | None
    actions: Sequence[str]
    outcome: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ChainPoint:
    """An entry's place and hash: what everything up to it comes down to."""

    position: int
    chain_hash: bytes


BEGINNING = ChainPoint(0, bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnd:
    """Where a chain was grown to, and where the entries that are there end."""

    audit_log_id: UUID | None
    position: int | None  # of the entry it was grown to; None when that is not there
    chain_hash: bytes
    last_position: int

    def is_at(self, point: ChainPoint) -> bool:
        """Say whether ``point`` is the end, with nothing missing and nothing put behind it."""
        position = 0 if self.audit_log_id is None else self.position
        return (position, self.chain_hash) == (point.position, point.chain_hash) and (
            self.last_position == point.position
        )


class Broken(Exception):
    """``entry`` does not follow from ``point``; ``count`` entries before it do."""

    def __init__(self, point: ChainPoint, count: int, entry: Recorded) -> None:
        super().__init__(f"entry {entry.id} does not follow")
        self.point, self.count, self.entry = point, count, entry


def follow(point: ChainPoint, entries: Sequence[Recorded]) -> ChainPoint:
    """Return the last entry's place; raises Broken for one that does not follow from ``point``."""
    for count, entry in enumerate(entries):
        if entry.link(point.chain_hash) != entry.chain_hash:
            raise Broken(point, count, entry)
        point = ChainPoint(entry.chain_position, entry.chain_hash)
    return point
