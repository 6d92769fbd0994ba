"""The trail is searched, sent whole, and found out when its owner tampers with it.

Each tampering is the owner's, whom no grant binds. ``test_each_tampering_is_found`` is red when
``follow`` compares nothing, and for its cut chains when ``ChainEnd.is_at`` says yes; the rewritten
chain when ``STANDS`` asks for a place without its hash.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.type.interval_pb2 import Interval
from medport.center.v1 import audit_log_pb2 as pb
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import audit_entries_pb2 as ems
from medport.hospital.events.v1 import audit_entries_pb2 as hospital

from center_svc.repositories import audit_chains
from center_svc.servicers import audit_log
from chassis.clock import timestamp
from chassis.vocabulary import Silo
from tests.integration.center.test_audit_log import audited
from tests.support.center_events import NOON, apply, database_on
from tests.support.center_silo import Center, Metadata, center, refusal

HOSPITAL, EMS = words.SILO_HOSPITAL, words.SILO_EMS
BROKEN, CUT = pb.AUDIT_CHAIN_FAULT_ENTRY_BROKEN, pb.AUDIT_CHAIN_FAULT_END_LOST
LOST, NONE = pb.AUDIT_CHAIN_FAULT_BEGINNING_LOST, pb.AUDIT_CHAIN_FAULT_UNSPECIFIED
COUNT = 6


@pytest.fixture
async def silo(center_database: str) -> AsyncIterator[Center]:
    async with center(center_database) as opened:
        yield opened


async def told(silo: Center, organization: UUID, first: int = 0, last: int = COUNT) -> list[str]:
    """Let the hospital and EMS tell of what was done; return the hospital's entries' ids."""
    events = [
        audited(package, minute, organization)
        for minute in range(first, last)
        for package in (hospital, ems)
    ]
    async with database_on(silo.dsn) as database:
        await apply(database, events)
    entries: list[Any] = [each.payload for each in events[::2]]
    return [entry.audit_entry_id for entry in entries]


async def verified(
    silo: Center, metadata: Metadata, begin: pb.AuditChainPoint | None = None
) -> pb.VerifyAuditChainResponse:
    request = pb.VerifyAuditChainRequest(source_silo=HOSPITAL, begin_after=begin)
    return await silo.audit.VerifyAuditChain(request, metadata=metadata)


CHANGED = "UPDATE audit_log SET {} WHERE id = %(id)s"
REMOVED = "DELETE FROM audit_log WHERE id = %(id)s"
# Whoever cuts a chain can make its end fit what is left.
FITTED = """
UPDATE audit_chain SET (audit_log_id, chain_hash) = (
  SELECT id, chain_hash FROM audit_log WHERE source_silo = 'HOSPITAL'
  ORDER BY chain_position DESC LIMIT 1)
WHERE source_silo = 'HOSPITAL'
"""
TAMPERINGS = [
    *(
        (CHANGED.format(change), 2, BROKEN, 2)
        for change in (
            "reason = 'NONE'",
            "outcome = 'ALLOWED'",
            "user_id = gen_random_uuid()",
            "changes = changes || '{\"count\": 3}'",
            "occurred_at = occurred_at + interval '1 microsecond'",
            "ip_address = NULL",
            "chain_hash = sha256(chain_hash)",
        )
    ),
    (REMOVED, 0, BROKEN, 0),
    (REMOVED, 2, BROKEN, 2),
    (REMOVED, COUNT - 1, CUT, COUNT - 1),
    ("DELETE FROM audit_log WHERE source_silo = 'HOSPITAL'", 0, CUT, 0),
    ("UPDATE audit_chain SET audit_log_id = NULL, chain_hash = sha256('')", 0, CUT, COUNT),
]


async def test_each_tampering_is_found(silo: Center) -> None:
    ids, admin = await told(silo, uuid4()), await silo.login()
    whole = await verified(silo, admin)
    assert (whole.checked_count, whole.is_complete, whole.fault) == (COUNT, True, NONE)
    silo.sql("CREATE TABLE kept AS SELECT * FROM audit_log")
    silo.sql("CREATE TABLE kept_chain AS SELECT * FROM audit_chain")
    for statement, at, fault, holding in TAMPERINGS:
        silo.sql(statement.replace("%(id)s", f"'{ids[at]}'"))
        found = await verified(silo, admin)
        seen = (found.fault, found.checked_count, found.is_complete)
        assert seen == (fault, holding, False), statement
        if fault == BROKEN:  # a removed entry shows by the one behind it
            assert found.audit_log_id == ids[at + (statement == REMOVED)]
        silo.sql("TRUNCATE audit_log, audit_chain")
        silo.sql("INSERT INTO audit_log SELECT * FROM kept")
        silo.sql("INSERT INTO audit_chain SELECT * FROM kept_chain")
    assert (await verified(silo, admin)).is_complete


async def test_a_chain_that_was_made_to_fit_is_found_from_a_place_kept_elsewhere(
    silo: Center,
) -> None:
    ids, admin = await told(silo, uuid4()), await silo.login()
    kept = (await verified(silo, admin)).checked_until
    silo.sql(REMOVED.replace("%(id)s", f"'{ids[-1]}'"))
    silo.sql(FITTED)
    assert (await verified(silo, admin)).is_complete  # looked at by itself it is whole
    assert (await verified(silo, admin, kept)).fault == LOST
    await told(silo, uuid4(), COUNT, COUNT + 3)
    assert (await verified(silo, admin, kept)).fault == LOST


async def test_a_chain_that_was_rewritten_from_its_beginning_is_found(silo: Center) -> None:
    _, admin = await told(silo, uuid4()), await silo.login()
    kept = (await verified(silo, admin)).checked_until
    silo.sql("UPDATE audit_log SET reason = 'NONE' WHERE source_silo = 'HOSPITAL'")
    async with database_on(silo.dsn) as database:
        rows, previous = database.read(None), bytes(32)
        every = {"after": 0, "last": kept.chain_position, "fetch": COUNT}
        for entry in await audit_chains.list_stretch(rows, Silo.HOSPITAL, **every):
            previous = entry.link(previous)
            silo.sql("UPDATE audit_log SET chain_hash = %s WHERE id = %s", previous, entry.id)
    silo.sql(FITTED)
    assert (await verified(silo, admin)).is_complete
    assert (await verified(silo, admin, kept)).fault == LOST


async def test_a_long_chain_is_followed_a_stretch_at_a_time_while_it_grows(
    silo: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "FRAME", 2)
    monkeypatch.setattr(audit_log, "MOST", 3)
    admin, organization = await silo.login(), uuid4()
    await told(silo, organization)
    answer, count = await verified(silo, admin), 0
    while not answer.is_complete:
        assert answer.fault == NONE
        count += answer.checked_count
        if count == 4:
            await told(silo, organization, COUNT, COUNT + 2)
        answer = await verified(silo, admin, answer.checked_until)
    assert count + answer.checked_count == COUNT + 2


async def test_an_export_is_whole_ordered_and_goes_on_where_it_broke_off(
    silo: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "FRAME", 2)
    organization, admin = uuid4(), await silo.login()
    await told(silo, organization)
    own = silo.user_of("hospital", "HOSPITAL_ADMIN", organization)
    request = pb.ExportAuditEntriesRequest(organization_id=str(organization))

    async def sent() -> list[pb.AuditLog]:
        call = silo.audit.ExportAuditEntries(request, metadata=own)
        return [entry async for frame in call for entry in frame.audit_logs]

    found = await sent()
    places = [(each.source_silo, each.chain_position) for each in found]
    assert len(places) == 2 * COUNT
    assert places == sorted(places)
    for last in (1, COUNT + 1):
        silo_of, position = places[last]
        point = pb.AuditExportPoint(source_silo=silo_of, chain_position=position)
        request.begin_after.CopyFrom(point)
        assert await sent() == found[last + 1 :]
    request.organization_id = ""
    assert await refusal(sent()) is grpc.StatusCode.PERMISSION_DENIED
    chain = pb.VerifyAuditChainRequest(source_silo=HOSPITAL)
    call = silo.audit.VerifyAuditChain(chain, metadata=own)
    assert await refusal(call) is grpc.StatusCode.PERMISSION_DENIED
    everything = silo.audit.ExportAuditEntries(pb.ExportAuditEntriesRequest(), metadata=admin)
    actions = {entry.action async for frame in everything for entry in frame.audit_logs}
    assert {"CreateSession", "Bootstrap", "GetPatientDetails"} <= actions


async def test_entries_are_found_by_each_thing_that_is_known_of_them(silo: Center) -> None:
    organization, admin = uuid4(), await silo.login()
    await told(silo, organization, 0, 3)
    request = pb.ListAuditLogsRequest(organization_id=str(organization))

    async def found(**wanted: Any) -> int:
        request.filter.CopyFrom(pb.AuditLogFilter(**wanted))
        answer = await silo.audit.ListAuditLogs(request, metadata=admin)
        return len(answer.audit_logs)

    (one, *_) = (await silo.audit.ListAuditLogs(request, metadata=admin)).audit_logs
    assert await found(entity_type="transport_request") == 6
    assert await found(entity_type="transport_request", entity_id=one.entity_id) == 1
    assert await found(entity_type="unit", entity_id=one.entity_id) == 0
    assert await found(user_id=one.user_id) == 1
    assert await found(outcome=words.AUDIT_OUTCOME_DENIED, actions=["GetPatientDetails"]) == 6
    assert await found(outcome=words.AUDIT_OUTCOME_ALLOWED) == 0
    assert await found(source_silos=[EMS], outcome=words.AUDIT_OUTCOME_DENIED) == 3
    assert await found(occur_time=Interval(end_time=timestamp(NOON))) == 0


async def test_entries_are_found_by_what_was_done_and_since_when(silo: Center) -> None:
    organization, admin = uuid4(), await silo.login()
    done = ["GetPatientDetails", "GetTransportRequest", "CancelTransportRequest"]
    events = [audited(hospital, n, organization, action=each) for n, each in enumerate(done)]
    async with database_on(silo.dsn) as database:
        await apply(database, events)

    async def found(**wanted: Any) -> list[str]:
        request = pb.ListAuditLogsRequest(
            organization_id=str(organization), filter=pb.AuditLogFilter(**wanted)
        )
        entries = (await silo.audit.ListAuditLogs(request, metadata=admin)).audit_logs
        export = pb.ExportAuditEntriesRequest(
            organization_id=str(organization), filter=request.filter
        )
        frames = silo.audit.ExportAuditEntries(export, metadata=admin)
        sent = [each.action async for frame in frames for each in frame.audit_logs]
        assert sent == [each.action for each in reversed(entries)]  # both ask the same way
        return sent

    assert await found() == done
    assert await found(actions=done[1:2]) == done[1:2]
    assert await found(actions=done[::2]) == done[::2]
    assert await found(actions=["DeleteUser"]) == []
    second = timestamp(NOON + timedelta(minutes=1))
    assert await found(occur_time=Interval(start_time=second)) == done[1:]
    assert await found(occur_time=Interval(end_time=second)) == done[:1]


async def test_pages_skip_and_repeat_nothing_while_entries_arrive(silo: Center) -> None:
    organization, admin = uuid4(), await silo.login()
    before = await told(silo, organization, 2, 8)
    request = pb.ListAuditLogsRequest(
        organization_id=str(organization),
        filter=pb.AuditLogFilter(source_silos=[HOSPITAL]),
        page_size=2,
    )
    seen, minute = list[str](), 8
    while True:
        page = await silo.audit.ListAuditLogs(request, metadata=admin)
        seen += [each.id for each in page.audit_logs]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
        await told(silo, organization, minute, minute + 1)  # newer than any page
        minute += 1
    assert seen == before[::-1]
