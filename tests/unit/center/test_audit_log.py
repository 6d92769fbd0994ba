"""The chain of the trail: every field of an entry counts, and numbers count as values."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest

from center_svc.domain.audit_log import AuditEntry
from chassis.vocabulary import ActorKind, AuditOutcome, Silo

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENTRY = AuditEntry(
    id=UUID(int=1),
    source_silo=Silo.HOSPITAL,
    organization_id=UUID(int=2),
    user_id=UUID(int=3),
    actor_kind=ActorKind.HOSPITAL_USER,
    action="GetPatientDetails",
    entity_type="transport_request",
    entity_id=UUID(int=4),
    changes={"fields": ["status"], "count": 1},
    outcome=AuditOutcome.ALLOWED,
    reason=None,
    occurred_at=NOON,
    ip_address=ip_address("192.0.2.1"),
    request_id=None,
)
OTHER: dict[str, Any] = {
    "id": UUID(int=9),
    "source_silo": Silo.EMS,
    "organization_id": None,
    "user_id": None,
    "actor_kind": ActorKind.SYSTEM,
    "action": "ConfirmPatientReceipt",
    "entity_type": "unit",
    "entity_id": None,
    "changes": {"fields": ["priority"], "count": 1},
    "outcome": AuditOutcome.DENIED,
    "reason": "",
    "occurred_at": NOON + timedelta(microseconds=1),
    "ip_address": None,
    "request_id": UUID(int=5),
}


@pytest.mark.parametrize("field", [each.name for each in fields(AuditEntry)])
def test_every_field_counts(field: str) -> None:
    assert replace(ENTRY, **{field: OTHER[field]}).link(b"") != ENTRY.link(b"")


def test_the_entry_before_counts() -> None:
    assert ENTRY.link(b"a") != ENTRY.link(b"b")


def test_numbers_are_hashed_as_events_and_databases_carry_them() -> None:
    carried = replace(ENTRY, changes={"count": 1.0, "fields": ["status"]})
    assert carried.link(b"") == ENTRY.link(b"")
