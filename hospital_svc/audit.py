"""Keeps the audit trail: what a caller, or an event, just did, in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import call, ids
from chassis.audit_entries import ACTORS, uuid_of
from chassis.auth import Principal
from chassis.unit_of_work import UnitOfWork
from hospital_svc.domain.audit_entries import AuditEntry
from hospital_svc.domain.transport_requests import SYSTEM, Actor
from hospital_svc.messages.audit_entries import audited
from hospital_svc.repositories import audit_entries


def actor() -> Actor:
    """Return who makes this decision: the caller of the RPC under way."""
    principal = _principal()
    if principal is None or principal.silo not in ACTORS:
        return SYSTEM
    return Actor(kind=ACTORS[principal.silo], user_id=principal.user_id)


async def note(
    uow: UnitOfWork,
    hospital_id: UUID,
    entity_type: str,
    entity_id: UUID | None,
    *,
    at: datetime,
    **changes: Any,  # noqa: ANN401 - what JSON holds
) -> None:
    """Add an entry for the RPC under way; ``changes`` name fields, states and ids, never PHI."""
    current, by = call.current(), actor()
    entry = AuditEntry(
        hospital_id=hospital_id,
        id=ids.new(),
        user_id=by.user_id,
        actor_kind=by.kind,
        action=current.method.rpartition("/")[2] if current else "System",
        entity_type=entity_type,
        entity_id=entity_id,
        changes=changes,
        occurred_at=at,
        ip_address=current.client_address if current else None,
        request_id=uuid_of(current.request_id) if current else None,
    )
    await audit_entries.add(uow, entry)
    uow.emit(audited(entry))


def _principal() -> Principal | None:
    current = call.current()
    return current.principal if current else None
