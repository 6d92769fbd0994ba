"""The audit trail: written with the action, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, cast
from sqlalchemy.dialects.postgresql import INET, insert

from chassis.sql import columns, compiled
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import ActorKind, AuditOutcome
from hospital_svc.tables import audit_entry as table


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
    ip_address: str | None
    request_id: UUID | None


_values: dict[str, Any] = {column.key: bindparam(column.key) for column in table.c}
_values["ip_address"] = cast(bindparam("ip_address"), INET)
ADD = compiled(insert(table).values(_values))


async def add(uow: UnitOfWork, entry: AuditEntry) -> None:
    await uow.execute(ADD, **columns(entry))
