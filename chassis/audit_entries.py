"""What an operator decided, as every silo tells it to the audit log: it is no tenant's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.struct_pb2 import Struct
from medport.common.v1 import vocabulary_pb2 as words

from chassis import auth, call, ids
from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.vocabulary import ActorKind, AuditOutcome
from chassis.wire import number

ACTORS = {
    "hospital": ActorKind.HOSPITAL_USER,
    "ems": ActorKind.EMS_USER,
    "center": ActorKind.CENTER_USER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Something allowed that a user did; ``changes`` holds names, codes and numbers, no PHI.

    ``reason`` is the user's own words, which the contract asks to name no patient.
    """

    id: UUID
    user_id: UUID
    actor_kind: ActorKind
    action: str
    entity_type: str
    changes: Mapping[str, Any]
    reason: str
    decided_at: datetime
    request_id: UUID


def decision(
    entity_type: str, changes: Mapping[str, Any], *, reason: str, request_id: str, at: datetime
) -> Decision:
    """Say what the caller of the RPC under way just did."""
    caller, current = auth.caller(), call.current()
    return Decision(
        id=ids.new(),
        user_id=caller.user_id,
        actor_kind=ACTORS.get(caller.silo, ActorKind.SYSTEM),
        action=current.method.rpartition("/")[2] if current else "",
        entity_type=entity_type,
        changes=changes,
        reason=reason,
        decided_at=at,
        request_id=UUID(request_id),
    )


def audited(kind: Any, made: Decision) -> Announcement:
    """Announce it to Center; ``kind`` is the announcing silo's own AccessAudited."""
    changes = Struct()
    changes.update(made.changes)
    return Announcement(
        event=kind(
            audit_entry_id=str(made.id),
            user_id=str(made.user_id),
            actor_kind=number(words.ActorKind, made.actor_kind),
            action=made.action,
            entity_type=made.entity_type,
            changes=changes,
            outcome=number(words.AuditOutcome, AuditOutcome.ALLOWED),
            reason=made.reason,
            occur_time=timestamp(made.decided_at),
            request_id=str(made.request_id),
        ),
        subject=f"audit_entries/{made.id}",
        subject_version=1,
        audience=["silo:center", "role:center_admin"],
    )
