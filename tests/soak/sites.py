"""One silo under soak: its process, its database server, a path to it, and who follows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from chassis.pool import Pool, pool
from chassis.unit_of_work import Database
from mesh.postgres import PostgresServer, free_port
from tests.support.databases import Databases, superuser_of
from tests.support.event_consumers import LEDGER
from tests.support.event_logs import add
from tests.support.fault_proxy import FaultProxy, in_front_of
from tests.support.silo_logs import Kind
from tests.support.silo_processes import START_SECONDS, SiloVictim, Victim
from tests.support.silos import Keys

SUBJECTS = 200
WRITERS = 6  # connections

_SUBJECT_ROWS = """
CREATE TABLE soaked (name text PRIMARY KEY, version bigint NOT NULL DEFAULT 0);
INSERT INTO soaked SELECT 'soaked/' || n FROM generate_series(1, 200) n;
GRANT ALL ON soaked TO PUBLIC;
"""
_WAITING = "SELECT count(*) FROM outbox"
_HOLDER = "SELECT lease_holder FROM consumer_checkpoint WHERE lease_until > clock_timestamp()"
_HEAD = "SELECT last_position FROM event_log_head"


@dataclass(frozen=True)
class Ground:
    """A PostgreSQL server of its own, for it is stopped and killed, and databases on it."""

    folder: Path
    server: PostgresServer
    databases: Databases
    keys: Keys


@contextmanager
def ground_in(folder: Path) -> Iterator[Ground]:
    server = PostgresServer("soak", free_port(), folder)
    server.start(START_SECONDS)
    try:
        databases = Databases(lambda _: _given(server), "soak")
        yield Ground(folder, server, databases, Keys())
        databases.close()
    finally:
        server.stop()


@contextmanager
def _given(server: PostgresServer) -> Iterator[str]:
    yield server.dsn


@dataclass
class Site:
    """What a chunk works on. ``path`` leads to the silo, for subscribers and consumers alike."""

    kind: Kind
    ground: Ground
    dsn: str
    consumer_dsn: str
    silo: SiloVictim
    replicas: dict[str, Victim]
    path: FaultProxy
    pool: Pool

    @property
    def database(self) -> Database:
        return Database(self.pool, self.kind.envelope, tenant_column=None)

    def bearer(self) -> str:
        return self.ground.keys.bearer(self.kind.peer, self.kind.silo)

    async def quiet(self) -> int:
        """Return the head, once everything that was committed has its position."""
        while True:
            with suppress(psycopg.OperationalError), self.looking() as database:
                if not one(database, _WAITING):
                    return one(database, _HEAD)
            await asyncio.sleep(0.05)

    def holder(self) -> Victim | None:
        """Return the replica whose lease it is, if it is anybody's."""
        with self.looking(self.consumer_dsn) as database:
            row = database.execute(_HOLDER).fetchone()
        return self.replicas[row[0]] if row else None

    @contextmanager
    def looking(self, dsn: str | None = None) -> Iterator[psycopg.Connection[Any]]:
        """Look into the silo's database, or another of its server, as the superuser."""
        with psycopg.connect(superuser_of(dsn or self.dsn), autocommit=True) as opened:
            yield opened


def one(database: psycopg.Connection[Any], query: str) -> int:
    row = database.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def site_of(ground: Ground, kind: Kind, replicas: int = 3) -> AsyncIterator[Site]:
    """Run one silo and its followers until the block ends."""
    async with AsyncExitStack() as stack:
        dsn = stack.enter_context(ground.databases.fresh(kind.silo))
        consumer_dsn = stack.enter_context(ground.databases.fresh(kind.peer))
        add(dsn, _SUBJECT_ROWS)
        add(consumer_dsn, LEDGER)
        silo = SiloVictim(kind.silo, dsn, ground.keys, free_port(), ground.folder)
        stack.callback(silo.kill)
        await silo.start_serving()
        path = await stack.enter_async_context(in_front_of(silo.port))
        names = [f"consumer{number}" for number in range(replicas)]
        followers = {
            each: _replica(ground, kind, consumer_dsn, path.listening, each) for each in names
        }
        for each in followers.values():
            stack.callback(each.kill)
            each.start()
        connections = pool(dsn, size=WRITERS, ready=WRITERS, name="writers")
        await stack.enter_async_context(connections)
        yield Site(kind, ground, dsn, consumer_dsn, silo, followers, path, connections)


def _replica(ground: Ground, kind: Kind, dsn: str, port: int, name: str) -> Victim:
    identity = ground.folder / "consumer.pem"
    identity.write_bytes(ground.keys.pem(kind.peer))
    what = {"name": name, "silo": kind.silo, "dsn": dsn, "port": port}
    told = {"SOAK_CONSUMER": json.dumps(what), "SOAK_IDENTITY_FILE": str(identity)}
    return Victim("tests.soak.consumer", told, ground.folder / f"{name}.log")
