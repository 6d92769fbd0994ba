"""What somebody did, or was refused: entries of the audit trail, as every silo keeps them.

``changes`` holds names, codes and numbers, and nothing about a patient.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.struct_pb2 import Struct
from medport.common.v1 import vocabulary_pb2 as words

from chassis import call, ids
from chassis.auth import Principal
from chassis.call import Address
from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import ActorKind, AuditOutcome
from chassis.wire import number

ACTORS = {
    "hospital": ActorKind.HOSPITAL_USER,
    "ems": ActorKind.EMS_USER,
    "center": ActorKind.CENTER_USER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One action; ``tenant`` is the user's, None for the center's users and for nobody known.

    ``reason`` is a code, or a user's own words, which the contract asks to name no patient.
    """

    id: UUID
    tenant: UUID | None
    user_id: UUID | None
    actor_kind: ActorKind
    action: str
    entity_type: str
    entity_id: UUID | None
    changes: Mapping[str, Any] = field(default_factory=dict)
    outcome: AuditOutcome = AuditOutcome.ALLOWED
    reason: str | None = None
    occurred_at: datetime
    ip_address: Address | None
    request_id: UUID | None


# Puts an entry into the silo's trail, once; called after every lock.
Keep = Callable[[UnitOfWork, Entry], Awaitable[None]]


def entry(
    entity_type: str, entity_id: UUID | None = None, *, by: Principal, at: datetime, **known: Any
) -> Entry:
    """Say what ``by`` does in the RPC under way; ``known`` are an entry's other fields."""
    current = call.current()
    about = {
        "action": current.method.rpartition("/")[2] if current else "System",
        "ip_address": current.client_address if current else None,
        "request_id": uuid_of(current.request_id) if current else None,
    }
    return Entry(
        id=ids.new(),
        tenant=by.tenant_id,
        user_id=by.user_id,
        actor_kind=ActorKind.SYSTEM if "SERVICE" in by.roles else ACTORS[by.silo],
        entity_type=entity_type,
        entity_id=entity_id,
        occurred_at=at,
        **(about | known),
    )


def uuid_of(text: str) -> UUID | None:
    """Read a request id; a caller may have sent another text than a uuid."""
    try:
        return UUID(text)
    except ValueError:
        return None


def audited(kind: Any, kept: Entry) -> Announcement:
    """Announce it to Center; ``kind`` is the announcing silo's own AccessAudited."""
    changes = Struct()
    changes.update(kept.changes)
    return Announcement(
        event=kind(
            audit_entry_id=str(kept.id),
            organization_id=str(kept.tenant or ""),
            user_id=str(kept.user_id or ""),
            actor_kind=number(words.ActorKind, kept.actor_kind),
            action=kept.action,
            entity_type=kept.entity_type,
            entity_id=str(kept.entity_id or ""),
            changes=changes,
            outcome=number(words.AuditOutcome, kept.outcome),
            reason=kept.reason or "",
            occur_time=timestamp(kept.occurred_at),
            ip_address=str(kept.ip_address or ""),
            request_id=str(kept.request_id or ""),
        ),
        subject=f"audit_entries/{kept.id}",
        subject_version=1,
        audience=["silo:center", "role:center_admin"],
    )
