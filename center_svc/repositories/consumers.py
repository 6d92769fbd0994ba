"""What operators decide about consumers: entries of the center's own chain."""

from __future__ import annotations

from center_svc.domain.audit_log import AuditEntry
from center_svc.repositories import audit_log
from chassis.audit_entries import Decision
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import AuditOutcome, Silo


async def record(uow: UnitOfWork, made: Decision) -> None:
    """Append it to the chain; call it after every other lock."""
    entry = AuditEntry(
        id=made.id,
        source_silo=Silo.CENTER,
        organization_id=None,
        user_id=made.user_id,
        actor_kind=made.actor_kind,
        action=made.action,
        entity_type=made.entity_type,
        entity_id=None,
        changes=dict(made.changes),
        outcome=AuditOutcome.ALLOWED,
        reason=made.reason,
        occurred_at=made.decided_at,
        ip_address=None,
        request_id=made.request_id,
    )
    await audit_log.add(uow, entry)
