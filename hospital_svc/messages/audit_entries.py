"""The audit trail's way to Center."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import audit_entries_pb2 as pb

from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.wire import number
from hospital_svc.domain.audit_entries import AuditEntry


def audited(entry: AuditEntry) -> Announcement:
    """Announce an entry to Center; the hospital's own users read it in their silo."""
    changes = Struct()
    changes.update(entry.changes)
    return Announcement(
        event=pb.AccessAudited(
            audit_entry_id=str(entry.id),
            organization_id=str(entry.hospital_id),
            user_id=str(entry.user_id or ""),
            actor_kind=number(words.ActorKind, entry.actor_kind),
            action=entry.action,
            entity_type=entry.entity_type,
            entity_id=str(entry.entity_id or ""),
            changes=changes,
            outcome=number(words.AuditOutcome, entry.outcome),
            reason=entry.reason or "",
            occur_time=timestamp(entry.occurred_at),
            ip_address=str(entry.ip_address or ""),
            request_id=str(entry.request_id or ""),
        ),
        subject=f"audit_entries/{entry.id}",
        subject_version=1,
        audience=["silo:center", "role:center_admin"],
    )
