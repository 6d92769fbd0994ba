"""Every command is in the trail, in a chain that shows an edited entry, for those who may read it.

Run: ``python -m pytest tests/integration/center/test_audit_log.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from medport.center.v1 import audit_log_pb2 as pb
from medport.center.v1 import services_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import audit_entries_pb2 as ems
from medport.hospital.events.v1 import audit_entries_pb2 as hospital
from psycopg.errors import InsufficientPrivilege

from center_svc.repositories import audit_chains
from chassis.clock import timestamp
from chassis.unit_of_work import Database
from chassis.vocabulary import Silo
from tests.integration.center.test_services import an_agency
from tests.support.center_events import NOON, Sent, apply, database_on
from tests.support.center_silo import Center, center, refusal

FIRST = bytes(32)


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


def audited(package: Any, minute: int, organization_id: UUID, **known: Any) -> Sent:
    """Make what a silo announces of one read or command."""
    at = NOON + timedelta(minutes=minute)
    entry = package.AccessAudited(
        audit_entry_id=str(uuid4()),
        organization_id=str(organization_id),
        user_id=str(uuid4()),
        actor_kind=words.ACTOR_KIND_HOSPITAL_USER,
        action=known.pop("action", "GetPatientDetails"),
        entity_type="transport_request",
        entity_id=str(uuid4()),
        outcome=words.AUDIT_OUTCOME_DENIED,
        reason="NOT_YOUR_TRIP",
        occur_time=timestamp(at),
        ip_address="192.0.2.1",
        **known,
    )
    entry.changes.update({"fields": ["status"], "count": 2, "is_new": True, "note": None})
    source = "hospital" if package is hospital else "ems"
    return Sent(source, entry, 1, minute + 1, at)


async def trail(database: Database, source_silo: Silo) -> list[Any]:
    """Return a silo's entries in the order of their chain."""
    rows = database.read(None)
    return await audit_chains.list_stretch(rows, source_silo, after=0, last=2**62, fetch=1000)


async def test_each_silos_entries_form_one_chain(silo: Center) -> None:
    organization = uuid4()
    events = [audited(package, n, organization) for n in range(6) for package in (hospital, ems)]
    async with database_on(silo.dsn) as database:
        await apply(database, [*events, *events])  # twice
        for source_silo in (Silo.HOSPITAL, Silo.EMS):
            entries = await trail(database, source_silo)
            assert len(entries) == 6
            previous = FIRST
            for entry in entries:
                assert entry.chain_hash == entry.link(previous)
                previous = entry.chain_hash
            ends = silo.sql(
                "SELECT chain_hash FROM audit_chain WHERE source_silo = %s", source_silo
            )
            assert ends == [(previous,)]


async def test_an_edited_entry_breaks_the_chain(silo: Center) -> None:
    async with database_on(silo.dsn) as database:
        await apply(database, [audited(hospital, n, uuid4()) for n in range(3)])
        silo.sql("UPDATE audit_log SET reason = 'EDITED' WHERE source_silo = 'HOSPITAL'")
        first = (await trail(database, Silo.HOSPITAL))[0]
        assert first.chain_hash != first.link(FIRST)


async def test_nobody_edits_the_trail(silo: Center) -> None:
    with psycopg.connect(silo.dsn, autocommit=True) as service:
        for statement in (b"UPDATE audit_log SET reason = 'x'", b"DELETE FROM audit_log"):
            with pytest.raises(InsufficientPrivilege):
                service.execute(statement)


async def test_every_command_of_the_center_is_in_its_chain(silo: Center) -> None:
    admin = await silo.login()
    calls = [silo.services.RegisterService(an_agency(), metadata=admin) for _ in range(8)]
    answers = await asyncio.gather(*calls)
    service = answers[0].service
    request = services_pb2.RetireServiceRequest(
        service_id=service.id, request_id=str(uuid4()), reason="closed"
    )
    await silo.services.RetireService(request, metadata=admin)
    refused = await refusal(silo.services.RetireService(request, metadata=await silo.coordinator()))
    assert refused is grpc.StatusCode.PERMISSION_DENIED

    listing = pb.ListAuditLogsRequest(filter=pb.AuditLogFilter(entity_id=service.id))
    entries = (await silo.audit.ListAuditLogs(listing, metadata=admin)).audit_logs
    assert [each.action for each in entries] == ["RetireService", "RegisterService"]
    assert entries[0].reason == "closed"
    assert entries[0].actor_kind == words.ACTOR_KIND_CENTER_USER
    async with database_on(silo.dsn) as database:
        previous, chain = FIRST, await trail(database, Silo.CENTER)
    actions = Counter(entry.action for entry in chain)
    assert actions == {
        "Bootstrap": 1,
        "CreateSession": 2,
        "RegisterService": 8,
        "RetireService": 2,  # one was refused
    }
    for entry in chain:
        assert entry.chain_hash == entry.link(previous)
        previous = entry.chain_hash


async def test_administrators_read_their_organizations_entries_only(silo: Center) -> None:
    mine, other, admin = uuid4(), uuid4(), await silo.login()
    async with database_on(silo.dsn) as database:
        await apply(database, [audited(hospital, n, mine) for n in range(3)])
        await apply(database, [audited(ems, 9, other)])
    own = silo.user_of("hospital", "HOSPITAL_ADMIN", mine)

    request = pb.ListAuditLogsRequest(organization_id=str(mine), page_size=2)
    first = await silo.audit.ListAuditLogs(request, metadata=own)
    request.page_token = first.next_page_token
    last = await silo.audit.ListAuditLogs(request, metadata=own)
    entries = [*first.audit_logs, *last.audit_logs]
    minutes = [each.occur_time.ToDatetime(tzinfo=NOON.tzinfo).minute for each in entries]
    assert minutes == [2, 1, 0]

    of_ems = pb.ListAuditLogsRequest(filter=pb.AuditLogFilter(source_silos=[words.SILO_EMS]))
    foreign = (await silo.audit.ListAuditLogs(of_ems, metadata=admin)).audit_logs[0]
    asked = pb.GetAuditLogRequest(organization_id=str(mine), audit_log_id=foreign.id)
    missing = silo.audit.GetAuditLog(asked, metadata=own)
    assert await refusal(missing) is grpc.StatusCode.NOT_FOUND
    asked.organization_id = str(other)
    denied = silo.audit.GetAuditLog(asked, metadata=own)
    assert await refusal(denied) is grpc.StatusCode.PERMISSION_DENIED
    everything = pb.ListAuditLogsRequest()
    assert await refusal(silo.audit.ListAuditLogs(everything, metadata=own)) is (
        grpc.StatusCode.PERMISSION_DENIED
    )


async def test_the_center_reads_with_permission_only(silo: Center) -> None:
    request = pb.ListAuditLogsRequest()
    for caller in (
        await silo.coordinator("REGISTRY_WRITE"),
        silo.user_of("hospital", "HOSPITAL_STAFF", uuid4()),
    ):
        call = silo.audit.ListAuditLogs(request, metadata=caller)
        assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED
    reader = await silo.coordinator("AUDIT_READ")
    assert (await silo.audit.ListAuditLogs(request, metadata=reader)).audit_logs


BEFORE, AFTER = Timestamp(seconds=1_800_000_000), Timestamp(seconds=1_800_000_001)


@pytest.mark.parametrize(
    "bad",
    [
        {"page_size": -1},
        {"page_token": "invented"},
        {"filter": pb.AuditLogFilter(user_id="nobody")},
        {"filter": pb.AuditLogFilter(source_silos=[words.SILO_UNSPECIFIED])},
        {"filter": pb.AuditLogFilter(actions=["DROP TABLE;"])},
        {"filter": pb.AuditLogFilter(occur_time=Interval(start_time=AFTER, end_time=BEFORE))},
    ],
)
async def test_bad_questions_are_refused(silo: Center, bad: dict[str, Any]) -> None:
    call = silo.audit.ListAuditLogs(pb.ListAuditLogsRequest(**bad), metadata=await silo.login())
    assert await refusal(call) is grpc.StatusCode.INVALID_ARGUMENT
