"""A server to crash, with the logs of all three silos on it, under load that outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psycopg
from psycopg import OperationalError

from mesh.postgres import PostgresServer, free_port
from tests.support import oracle
from tests.support.databases import superuser_of
from tests.support.event_streams import EARLIEST, Silo, after, frames, reason, serving
from tests.support.event_writers import Writer
from tests.support.histories import History, Origin, Outcome, read_log
from tests.support.silo_logs import Kind

_SETTINGS = "max_prepared_transactions = 8\n"
_HEAD = "SELECT last_position FROM event_log_head WHERE NOT EXISTS (SELECT FROM outbox)"


@contextmanager
def a_server_to_crash(root: Path) -> Iterator[PostgresServer]:
    server = PostgresServer("crashing", free_port(), root)
    server.create()
    with (server.data / "postgresql.auto.conf").open("a") as settings:
        settings.write(_SETTINGS)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def stop_immediately(server: PostgresServer) -> None:
    """Do what ``pg_ctl stop -m immediate`` does: nothing is written down, nobody is waited for."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGQUIT)
    server.wait()


@contextmanager
def commits_that_wait(server: PostgresServer) -> Iterator[None]:
    """Let synchronous commits wait, all their locks held, for a standby that does not exist."""
    server.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    server.psql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.psql("ALTER SYSTEM RESET synchronous_standby_names")
        server.psql("SELECT pg_reload_conf()")


@dataclass
class Site:
    """One silo's log on the server: two writers and a subscriber that always come back."""

    dsn: str
    kind: Kind
    history: History = field(default_factory=History)
    position: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _following: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Write and follow while the block lasts, and to the end of what was written then."""
        writing = [threading.Thread(target=self._write, args=(trip,)) for trip in ("T1", "T2")]
        async with serving(self.dsn, kind=self.kind) as silo:
            following = self._following = asyncio.create_task(self._follow(silo))
            for each in writing:
                each.start()
            try:
                yield
            finally:
                self._stopping.set()
                for each in writing:
                    await asyncio.to_thread(each.join)
                await self.until(await self._head())
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following

    async def until(self, position: int, seconds: float = 60) -> None:
        """Return once the subscriber has come so far; raises what ended it before."""
        async with asyncio.timeout(seconds):
            while self.position < position:
                if self._following is not None and self._following.done():
                    await self._following
                await asyncio.sleep(0.01)  # it moves in another task

    def violations(self) -> list[str]:
        with psycopg.connect(superuser_of(self.dsn)) as reader:
            self.history.log = read_log(reader)
        return [str(each) for each in oracle.check(self.history)]

    async def _head(self) -> int:
        """Return where the log ends once it has all that was committed."""
        async with asyncio.timeout(60):
            while (found := await asyncio.to_thread(self._ask)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # asked of the database
        return found

    def _ask(self) -> int | None:
        with psycopg.connect(superuser_of(self.dsn)) as reader:
            row = reader.execute(_HEAD).fetchone()
        return None if row is None else int(row[0])

    def _write(self, trip: str) -> None:
        """Change ``trip`` and one that all change, a transaction after the other."""
        while not self._stopping.is_set():
            with suppress(OperationalError), psycopg.connect(self.dsn, connect_timeout=2) as own:
                writer = Writer(own, self.kind, self.history.writers)
                while not self._stopping.wait(0.002):
                    _change(writer, trip, "T3")
            self._stopping.wait(0.02)  # until the server is back

    async def _follow(self, silo: Silo) -> None:
        """Subscribe again and again from where it was, and note every frame."""
        subscriber = self.history.subscriber("peer")
        start, place = EARLIEST, subscriber.opened(Origin.EARLIEST)
        while True:
            stream = silo.subscribe(start)
            try:
                while True:
                    [frame] = await frames(stream, 1, seconds=30)
                    place.frame(frame)
                    start, self.position = after(frame), frame.position
            except grpc.aio.AioRpcError as ended:
                if reason(ended) != "LOG_UNAVAILABLE":
                    raise
                await asyncio.sleep(0.05)
                place = subscriber.opened(self.position)


def _change(writer: Writer, *trips: str) -> None:
    try:
        for trip in trips:
            writer.change(trip)
    except OperationalError:
        writer.tell(Outcome.ROLLED_BACK)
        raise
    writer.commit()
