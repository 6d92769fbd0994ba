"""The trail on the wire: entries, what is wanted of them, and places in a chain."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from medport.center.v1 import audit_log_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words

from center_svc.domain.audit_log import BEGINNING, ChainPoint, Recorded, Wanted
from chassis.clock import instant, timestamp
from chassis.vocabulary import AuditOutcome, Silo
from chassis.wire import member, number

EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def audit_log(entry: Recorded) -> pb.AuditLog:
    message = pb.AuditLog(
        id=str(entry.id),
        organization_id=_text(entry.organization_id),
        source_silo=number(words.Silo, entry.source_silo),
        user_id=_text(entry.user_id),
        actor_kind=number(words.ActorKind, entry.actor_kind),
        action=entry.action,
        entity_type=entry.entity_type,
        entity_id=_text(entry.entity_id),
        outcome=number(words.AuditOutcome, entry.outcome),
        reason=entry.reason or "",
        occur_time=timestamp(entry.occurred_at),
        create_time=timestamp(entry.recorded_at),
        ip_address="" if entry.ip_address is None else str(entry.ip_address),
        request_id=_text(entry.request_id),
        chain_hash=entry.chain_hash,
        chain_position=entry.chain_position,
    )
    message.changes.update(entry.changes)
    return message


def wanted(own: UUID | None, asked: pb.AuditLogFilter) -> Wanted:
    """Return what is asked for; ``own`` is the one organization to look at, None for all."""
    span = asked.occur_time
    silos = [member(Silo, words.Silo, each) for each in asked.source_silos]
    outcome = member(AuditOutcome, words.AuditOutcome, asked.outcome) if asked.outcome else ""
    return Wanted(
        organization_id=own,
        source_silos=silos or list(Silo),
        user_id=UUID(asked.user_id) if asked.user_id else None,
        entity_type=asked.entity_type,
        entity_id=UUID(asked.entity_id) if asked.entity_id else None,
        actions=list(asked.actions),
        outcome=outcome,
        since=instant(span.start_time) if span.HasField("start_time") else EVER[0],
        until=instant(span.end_time) if span.HasField("end_time") else EVER[1],
    )


def point(given: pb.VerifyAuditChainRequest) -> ChainPoint:
    begin = given.begin_after
    return ChainPoint(begin.chain_position, begin.chain_hash or BEGINNING.chain_hash)


def chain_point(of: ChainPoint) -> pb.AuditChainPoint:
    return pb.AuditChainPoint(chain_position=of.position, chain_hash=of.chain_hash)


def _text(id: UUID | None) -> str:
    return "" if id is None else str(id)
