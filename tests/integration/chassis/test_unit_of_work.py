"""One transaction: rows, announcements and the answer to a request id, or none of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import psycopg
import pytest
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from medport.hospital.events.v1.hospitals_pb2 import HospitalProvisioned
from sqlalchemy import MetaData, Table
from sqlalchemy.schema import CreateTable

from chassis import call, ids
from chassis.auth import Principal
from chassis.errors import DataLoss, RequestIdReused
from chassis.idempotency import Replayed
from chassis.outbox import Announcement, Envelope
from chassis.pool import pool
from chassis.schema import column, row_security
from chassis.sealing import Seal
from chassis.shared_tables import shared_tables
from chassis.sql import DIALECT, written
from chassis.unit_of_work import Database, UnitOfWork
from tests.support.databases import owner_of
from tests.support.waiting import until_blocked

OUTBOX = """
CREATE TABLE outbox (event_id uuid, type text, subject text, subject_version bigint,
                     audience text[], data bytea)
"""
ADD = written("INSERT INTO hospital_user (hospital_id, id) VALUES (%(hospital_id)s, %(id)s)")
COUNT = written("SELECT count(*) FROM hospital_user", int)
BACKEND = written("SELECT pg_backend_pid()", int)
FAULT = written("SELECT 1 / 0", int)
STORED = written("SELECT response FROM idempotency_key", bytes)
ANSWERS = Seal(bytes(32), "stored answers")


def _tables() -> MetaData:
    metadata = MetaData()
    key = [column("hospital_id", primary_key=True), column("id", primary_key=True)]
    Table("hospital_user", metadata, *key)
    shared_tables(metadata, tenant="hospital_id", users="hospital_user")
    return metadata


@pytest.fixture
def dsn(plain_database: str) -> str:
    metadata = _tables()
    with psycopg.connect(owner_of(plain_database), autocommit=True) as connection:
        connection.execute(OUTBOX)
        for table in metadata.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=DIALECT)).encode())
        for statement in row_security(metadata, "hospital_id", frozenset()):
            connection.execute(statement.encode())
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO hospital_service")
    return plain_database


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with pool(dsn) as connections:
        await connections.wait()
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        yield Database(connections, envelope, tenant_column="hospital_id")


def _enter(
    tenant: UUID,
    request_id: UUID | None = None,
    payload: bytes = b"payload",
    answers: Seal = ANSWERS,
) -> None:
    principal = Principal(
        user_id=UUID(int=7), silo="hospital", roles=frozenset({"X"}), tenant_id=tenant
    )
    promise = request_id and call.Idempotency("/x/Create", request_id, payload, answers)
    call.enter(call.Call("/x/Create", "r-1", principal=principal, idempotency=promise or None))


async def _create(
    database: Database, tenant: UUID, request_id: UUID | None = None, payload: bytes = b"payload"
) -> UUID:
    """Stand in for a servicer: one row, one announcement, one answer."""
    _enter(tenant, request_id, payload)
    async with database.begin(tenant) as uow:
        return await _add(uow, tenant)


async def _add(uow: UnitOfWork, tenant: UUID) -> UUID:
    row = ids.new()
    await uow.execute(ADD, hospital_id=tenant, id=row)
    changed = HospitalProvisioned(service_id=str(row))
    uow.emit(
        Announcement(
            event=changed, subject=f"facilities/{row}", subject_version=1, audience=["silo:center"]
        )
    )
    uow.answered(changed)
    return row


async def _outbox(dsn: str) -> list[HospitalEvent]:
    async with await psycopg.AsyncConnection.connect(owner_of(dsn)) as connection:
        rows = await (await connection.execute("SELECT data FROM outbox")).fetchall()
        return [HospitalEvent.FromString(data) for (data,) in rows]


async def test_rows_and_announcements_commit_together(dsn: str, database: Database) -> None:
    tenant = uuid4()
    woken: list[bool] = []
    database.after_commit = lambda: woken.append(True)
    row = await _create(database, tenant)
    (event,) = await _outbox(dsn)
    assert event.hospital_provisioned.service_id == str(row)
    assert event.metadata.correlation_id == "r-1"
    assert event.metadata.actor.user_id == str(UUID(int=7))
    assert woken == [True]


async def test_who_cannot_hear_an_event_by_contract_is_not_told_it(
    dsn: str, database: Database
) -> None:
    _enter(uuid4(), None, b"payload")
    told = Announcement(
        event=HospitalProvisioned(), subject="hospitals/1", subject_version=1, audience=["silo:ems"]
    )
    with pytest.raises(ValueError, match="HospitalProvisioned is not for silo:ems"):
        async with database.begin(None) as uow:
            uow.emit(told)
    assert not await _outbox(dsn)


async def test_an_exception_leaves_neither_row_nor_announcement(
    dsn: str, database: Database
) -> None:
    tenant = uuid4()
    _enter(tenant, uuid4())

    async def fail() -> None:
        async with database.begin(tenant) as uow:
            await _add(uow, tenant)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await _outbox(dsn) == []
    assert await database.read(tenant).one(COUNT) == 0


async def test_a_tenant_sees_its_own_rows_and_nobody_sees_all(database: Database) -> None:
    mine, other = uuid4(), uuid4()
    await _create(database, mine)
    await _create(database, other)
    assert [await database.read(who).one(COUNT) for who in (mine, other, None)] == [1, 1, 0]


async def test_a_row_of_another_tenant_cannot_be_written(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.begin(uuid4()) as uow:
            await uow.execute(ADD, hospital_id=uuid4(), id=uuid4())


async def test_a_repeat_gets_the_first_answer_and_has_no_effect(
    dsn: str, database: Database
) -> None:
    tenant, request_id = uuid4(), uuid4()
    row = await _create(database, tenant, request_id)
    with pytest.raises(Replayed) as replayed:
        await _create(database, tenant, request_id)
    assert HospitalProvisioned.FromString(replayed.value.response).service_id == str(row)
    assert len(await _outbox(dsn)) == 1


async def test_a_request_id_serves_one_payload(database: Database) -> None:
    tenant, request_id = uuid4(), uuid4()
    await _create(database, tenant, request_id)
    with pytest.raises(RequestIdReused):
        await _create(database, tenant, request_id, payload=b"another")


async def test_a_stored_answer_is_sealed_to_its_request(database: Database) -> None:
    tenant, request_id = uuid4(), uuid4()
    row = await _create(database, tenant, request_id)
    stored = await database.read(tenant).one(STORED)
    assert str(row).encode() not in stored
    with pytest.raises(ValueError, match="another key"):
        ANSWERS.open(stored, b"another place")


async def test_an_answer_under_a_lost_key_is_data_loss(dsn: str, database: Database) -> None:
    tenant, request_id = uuid4(), uuid4()
    await _create(database, tenant, request_id)
    _enter(tenant, request_id, answers=Seal(bytes(range(32)), "stored answers"))
    with pytest.raises(DataLoss):
        async with database.begin(tenant):
            pass
    assert len(await _outbox(dsn)) == 1


async def test_a_concurrent_repeat_waits_for_the_first(dsn: str, database: Database) -> None:
    tenant, request_id = uuid4(), uuid4()
    _enter(tenant, request_id)
    async with database.begin(tenant) as uow:
        repeat = asyncio.create_task(_create(database, tenant, request_id))
        await until_blocked(dsn, 1)
        await _add(uow, tenant)
    with pytest.raises(Replayed):
        await repeat
    assert len(await _outbox(dsn)) == 1


async def test_a_use_case_that_keeps_no_answer_is_a_fault(database: Database) -> None:
    tenant = uuid4()
    _enter(tenant, uuid4())
    with pytest.raises(LookupError):
        async with database.begin(tenant):
            pass


async def test_reads_keep_their_connection(dsn: str) -> None:
    """A pool that connected anew for each read made a day of transfers three times as long."""
    async with pool(dsn, size=1) as connections:
        await connections.wait()
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        database = Database(connections, envelope, tenant_column="hospital_id")
        seen = {await database.read(uuid4()).one(BACKEND) for _ in range(5)}
        with pytest.raises(psycopg.errors.DivisionByZero):
            await database.read(uuid4()).one(FAULT)
        seen.add(await database.read(uuid4()).one(BACKEND))
        assert len(seen) == 1


async def test_a_read_given_up_at_any_moment_leaves_a_connection_that_can_begin(dsn: str) -> None:
    """Seen once under load: a connection that was still in its pipeline when the next one began."""
    async with pool(dsn, size=1) as connections:
        await connections.wait()
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        database = Database(connections, envelope, tenant_column="hospital_id")
        for steps in range(40):
            reading = asyncio.ensure_future(database.read(uuid4()).one(COUNT))
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            _enter(uuid4())
            async with database.begin(None) as uow:
                assert await uow.one(COUNT) == 0
