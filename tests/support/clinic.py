"""A small silo of one service over two tables: what the process chassis is tested with.

``python -m tests.support.clinic DSN METRICS`` serves it on a free port, which its log names,
and its metrics at the given address.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import psycopg
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from chassis import processes
from chassis.channels import CHANNEL
from chassis.outbox import Envelope
from chassis.server import Build, Kit, Process, Silo
from chassis.settings import SiloSettings
from chassis.sql import written
from chassis.timers import Timer
from chassis.unit_of_work import Database
from tests.support import echo
from tests.support.databases import owner_of
from tests.support.echo import EchoResponse
from tests.support.guarded import authenticate

REVISION = "0002"
TABLES = """
CREATE TABLE alembic_version (version_num text);
INSERT INTO alembic_version VALUES ('0002');
CREATE TABLE visit (text text);
CREATE TABLE counter (id int PRIMARY KEY, value int);
INSERT INTO counter VALUES (1, 0), (2, 0);
CREATE TABLE idempotency_key (
  principal_id uuid, method text, request_id uuid, request_hash bytea, response bytea,
  expires_at timestamptz, PRIMARY KEY (principal_id, method, request_id));
GRANT ALL ON ALL TABLES IN SCHEMA public TO hospital_service
"""
ADD = written("INSERT INTO visit (text) VALUES (%(text)s)")
VISITS = written("SELECT count(*) FROM visit WHERE text = %(text)s", int)
RAISE = written("UPDATE counter SET value = value + 1 WHERE id = %(id)s")
SLEEP = written("SELECT 1 FROM pg_sleep(60)", int)

Behaviours = dict[str, echo.Behaviour]
Make = Callable[[Database, Kit], Behaviours]


def prepare(dsn: str) -> str:
    """Make the tables of a database that has none; return ``dsn``."""
    with psycopg.connect(owner_of(dsn), autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return dsn


def set_revision(dsn: str, revision: str) -> None:
    with psycopg.connect(owner_of(dsn), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])


def settings(dsn: str, listen: str = "127.0.0.1:0", reflection: str = "open") -> SiloSettings:
    return SiloSettings(
        listen=listen,
        database=dsn,
        peers={},
        identity_key=b"",
        peer_keys={},
        key_encryption_key=b"",
        reflection=reflection,
        log_level="INFO",
    )


def visits(database: Database, _kit: Kit) -> Behaviours:
    """Make the usual servicer: a visit is written, counted, or slept over."""

    async def write(request: Any, _context: Any) -> Any:
        async with database.begin(None) as uow:
            await uow.execute(ADD, text=request.text)
            return uow.answered(EchoResponse(text=f"wrote {request.text}"))

    async def count(request: Any, _context: Any) -> Any:
        visits = await database.read(None).one(VISITS, text=request.text)
        return EchoResponse(text=str(visits))

    async def sleep(_request: Any, _context: Any) -> Any:
        await database.read(None).one(SLEEP)
        return EchoResponse()

    return {"Answer": write, "Open": count, "Override": sleep}


def build(make: Make = visits, timers: Callable[[], list[Timer]] = list) -> Build:
    def compose(kit: Kit) -> Silo:
        envelope = Envelope(HospitalEvent, "/medport/hospital")
        database = Database(kit.pool, envelope, tenant_column=None)
        return Silo(
            add_to=[lambda server: echo.register(server, make(database, kit))],
            authenticate=authenticate,
            database=database,
            timers=timers(),
        )

    return Build(name="hospital", revision=REVISION, compose=compose)


@asynccontextmanager
async def running(
    given: SiloSettings, built: Build | None = None
) -> AsyncIterator[tuple[Process, grpc.aio.Channel]]:
    """Run the clinic in this process; yield it and a channel to it."""
    process = Process(built or build(), given)
    await process.start()
    address = f"127.0.0.1:{process.port}"
    try:
        async with grpc.aio.insecure_channel(address, options=CHANNEL) as channel:
            yield process, channel
    finally:
        await process.stop(grace=0)


if __name__ == "__main__":
    asked = settings(sys.argv[1])
    sys.exit(processes.serve(build(), replace(asked, metrics=sys.argv[2])))
