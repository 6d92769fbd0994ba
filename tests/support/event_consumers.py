"""A silo that follows the hospital, its ledger of effects, and ways to disturb it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from chassis import channels
from chassis.pool import pool
from chassis.projection import Following, Project, Received
from chassis.projection_follower import Follower
from chassis.sql import written
from chassis.unit_of_work import Database, UnitOfWork
from tests.support.databases import superuser_of
from tests.support.event_logs import database_on
from tests.support.event_streams import Silo
from tests.support.silo_logs import HOSPITAL, Kind

# No UNIQUE constraint: a second effect has to show.
LEDGER = """
CREATE TABLE ledger (entry bigint GENERATED ALWAYS AS IDENTITY, event_id text, position bigint,
                     subject text, version bigint);
CREATE TABLE picky (subject text PRIMARY KEY, allowed boolean NOT NULL CHECK (allowed));
GRANT ALL ON ledger, picky TO PUBLIC;
"""
NOTE = written(
    "INSERT INTO ledger (event_id, position, subject, version)"
    " VALUES (%(event_id)s, %(position)s, %(subject)s, %(version)s)"
)


async def note(uow: UnitOfWork, event: Received) -> None:
    """Have an effect that shows how often and in which order it came."""
    await uow.execute(
        NOTE,
        event_id=event.metadata.id,
        position=event.placement.position,
        subject=event.metadata.subject,
        version=event.metadata.subject_version,
    )


@dataclass
class Gate:
    """A projector that stops between its effect and the checkpoint, where a crash is worst."""

    position: int
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def project(self, _uow: UnitOfWork, event: Received) -> None:
        if event.placement.position == self.position:
            self.reached.set()
            await self.opened.wait()


@dataclass
class Consumer:
    """The following silo; several followers may compete for its one checkpoint."""

    dsn: str
    database: Database
    admin: psycopg.Connection[Any]
    stack: AsyncExitStack

    async def follow(self, silo: Silo, *projects: Project, **options: Any) -> Follower:
        """Start a follower of ``silo``; it is stopped with the test."""
        return await self.follow_at(silo.port, projects or (note,), kind=silo.kind, **options)

    async def follow_at(
        self,
        port: int,
        projects: Sequence[Project] = (note,),
        *,
        kind: Kind = HOSPITAL,
        heartbeat: float = 1.0,
        **options: Any,
    ) -> Follower:
        """Follow the ``kind`` of silo at ``port``; ``options`` are what a Following has besides."""
        following = Following(
            source=kind.silo,
            file=kind.file,
            projects=projects,
            heartbeat_seconds=heartbeat,
            **{"consumer": kind.peer, **options},
        )
        return self.start(following, port)

    def start(self, following: Following, port: int) -> Follower:
        address = f"127.0.0.1:{port}"
        follower = Follower(
            following, self.database, lambda: channels.channel(address), lambda: "a token"
        )
        self.stack.push_async_callback(follower.stop)
        follower.start()
        return follower

    def one(self, query: str, *parameters: Any) -> Any:
        row = self.admin.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]

    def ledger(self) -> list[int]:
        """Return the positions that had an effect, in the order of the effects."""
        rows = self.admin.execute("SELECT position FROM ledger ORDER BY entry").fetchall()
        return [row[0] for row in rows]

    def position(self, consumer: str = "") -> int:
        query = """
        SELECT coalesce(max(position), 0) FROM consumer_checkpoint WHERE consumer = %s OR %s = ''
        """
        return int(self.one(query, consumer, consumer))

    def expire_lease(self) -> None:
        """Let the lease run out: what eight seconds of silence would do."""
        self.admin.execute("UPDATE consumer_checkpoint SET lease_until = '-infinity'")

    def state(self, consumer: str = "") -> str:
        """Return the state, and why, of the one consumer, or of the one that is named."""
        query = """
        SELECT coalesce(max(state || coalesce(' ' || state_reason, '')), '')
          FROM consumer_checkpoint WHERE consumer = %s OR %s = ''
        """
        return str(self.one(query, consumer, consumer))

    async def until_state(self, state: str, consumer: str = "") -> None:
        await until(lambda: self.state(consumer) == state)

    def kill_connections(self) -> None:
        """Terminate every connection of the consumer's database but our own."""
        self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def reconnect(self) -> None:
        """Look again, after an outage that took our own connection too."""
        self.admin.close()
        self.admin = psycopg.connect(superuser_of(self.dsn), autocommit=True)

    async def until_at(self, position: int, seconds: float = 15, consumer: str = "") -> None:
        await until(lambda: self.position(consumer) >= position, seconds)


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Return once ``condition`` holds in the database."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - asked of the database
            await asyncio.sleep(0.01)


@asynccontextmanager
async def consuming(dsn: str) -> AsyncIterator[Consumer]:
    """Open the consumer on a database that was laid with LEDGER."""
    async with AsyncExitStack() as stack:
        connections = await stack.enter_async_context(pool(dsn))
        admin = psycopg.connect(superuser_of(dsn), autocommit=True)
        consumer = Consumer(dsn, database_on(connections), admin, stack)
        stack.callback(lambda: consumer.admin.close())  # noqa: PLW0108 - whichever it is then
        yield consumer


@asynccontextmanager
async def outage(dsn: str) -> AsyncIterator[None]:
    """Take one database away from everybody but the superuser's other databases."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    elsewhere = psycopg.conninfo.make_conninfo(superuser_of(dsn), dbname="postgres")
    with psycopg.connect(elsewhere, autocommit=True) as admin:
        name = psycopg.sql.Identifier(str(parts["dbname"]))
        allow = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(name, psycopg.sql.SQL("false")))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [parts["dbname"]],
        )
        try:
            yield
        finally:
            admin.execute(allow.format(name, psycopg.sql.SQL("true")))
