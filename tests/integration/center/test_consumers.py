"""The administrator repairs how Center follows; what was done is in Center's own chain.

What every silo's ConsumerService promises: ``tests/conformance/test_consumers.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest
from medport.center.v1 import audit_log_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.common.v1.vocabulary_pb2 import AUDIT_OUTCOME_DENIED
from medport.hospital.events.v1.audit_entries_pb2 import AccessAudited

from chassis.clock import timestamp
from chassis.vocabulary import Silo
from tests.integration.center.test_audit_log import FIRST, trail
from tests.support.center_events import NOON, Sent, apply, database_on
from tests.support.center_silo import Center, center, refusal
from tests.support.consumer_desks import WHY, desk_on


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


async def test_the_administrator_decides_and_the_chain_tells_why(silo: Center) -> None:
    admin = await silo.login()
    desk = desk_on("center", silo.dsn, silo.channel, metadata=admin)
    who = desk.checkpoint("tester")
    await desk.ask("ResumeConsumer", **who)
    desk.metadata = await silo.coordinator()
    assert (await desk.ask("ListConsumers")).consumers
    assert await refusal(desk.ask("ResumeConsumer", **who)) is grpc.StatusCode.PERMISSION_DENIED

    listing = audit_log_pb2.ListAuditLogsRequest()
    listing.filter.actions.append("ResumeConsumer")
    denied, entry = (await silo.audit.ListAuditLogs(listing, metadata=admin)).audit_logs
    assert (denied.outcome, denied.reason) == (AUDIT_OUTCOME_DENIED, "PERMISSION_DENIED")
    assert (entry.reason, entry.organization_id, entry.entity_id) == (WHY, "", "")
    assert (entry.entity_type, entry.source_silo) == ("consumer", words.SILO_CENTER)
    async with database_on(silo.dsn) as database:
        previous = FIRST
        for each in await trail(database, Silo.CENTER):
            assert each.chain_hash == each.link(previous)
            previous = each.chain_hash


async def test_another_silos_decision_is_nobodys_and_shown_to_the_center_alone(
    silo: Center,
) -> None:
    told = AccessAudited(
        audit_entry_id=str(uuid4()),
        user_id=str(uuid4()),
        actor_kind=words.ACTOR_KIND_CENTER_USER,
        action="RetryDeadLetters",
        entity_type="dead_letter",
        outcome=words.AUDIT_OUTCOME_ALLOWED,
        reason=WHY,
        occur_time=timestamp(NOON),
    )
    told.changes.update({"consumer": "hospital", "source": "ems", "position": 7})
    async with database_on(silo.dsn) as database:
        await apply(database, [Sent("hospital", told, 1, 1, NOON)])
        (recorded,) = await trail(database, Silo.HOSPITAL)
        assert recorded.chain_hash == recorded.link(FIRST)

    request = audit_log_pb2.GetAuditLogRequest(audit_log_id=told.audit_entry_id)
    entry = (await silo.audit.GetAuditLog(request, metadata=await silo.login())).audit_log
    assert (entry.reason, entry.organization_id) == (WHY, "")
    tenant = uuid4()
    own = silo.user_of("hospital", "HOSPITAL_ADMIN", tenant)
    request.organization_id = str(tenant)
    missing = silo.audit.GetAuditLog(request, metadata=own)
    assert await refusal(missing) is grpc.StatusCode.NOT_FOUND
