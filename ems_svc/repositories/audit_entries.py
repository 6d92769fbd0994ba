"""The audit trail: rows are added and never changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from medport.ems.events.v1.audit_entries_pb2 import AccessAudited as Announced
from sqlalchemy import insert

from chassis import call, ids
from chassis.audit_entries import ACTORS, uuid_of
from chassis.audit_rows import AuditRows
from chassis.clock import utc_now
from chassis.sql import columns, compiled
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import ActorKind, AuditOutcome
from ems_svc.domain.audit_entries import AuditEntry
from ems_svc.domain.events import AccessAudited
from ems_svc.tables import TENANT, metadata

ADD = compiled(insert(metadata.tables["audit_entry"]))

# What the chassis has to tell: logins, refusals, operators' decisions.
keep = AuditRows(metadata, TENANT, Announced).keep


async def record(
    uow: UnitOfWork,
    agency_id: UUID,
    entity_type: str,
    entity_id: UUID,
    **changes: Any,  # noqa: ANN401 - what JSON holds
) -> AccessAudited:
    """Note what the RPC under way did to what; ``changes`` are never about a patient.

    ``changes`` are what JSON has, ids, and collections of names, which are kept in order.
    """
    current = call.current()
    principal = current.principal if current else None
    entry = AuditEntry(
        agency_id=agency_id,
        id=ids.new(),
        user_id=principal.user_id if principal else None,
        actor_kind=ACTORS.get(principal.silo if principal else "", ActorKind.SYSTEM),
        action=current.method.rpartition("/")[2] if current else "System",
        entity_type=entity_type,
        entity_id=entity_id,
        changes={name: _plain(value) for name, value in changes.items()},
        outcome=AuditOutcome.ALLOWED,
        reason=None,
        occurred_at=utc_now(),
        ip_address=current.client_address if current else None,
        request_id=uuid_of(current.request_id) if current else None,
    )
    await uow.execute(ADD, **columns(entry))
    return AccessAudited(entry)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any of its types
    match value:
        case UUID():
            return str(value)
        case list() | set() | frozenset():
            return sorted(value)
    return value
