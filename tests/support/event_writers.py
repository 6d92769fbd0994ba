"""Writers of events on their own connections, sequencers by hand, and the oracle's last word.

A ``Scene`` is one silo's log with everything that a schedule needs: any number of writers, whose
transactions the test interleaves, ticks of any size on any connection, and a look at who waits
for whom. Nothing here sleeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection, OperationalError
from psycopg.pq import PGconn, abc

from chassis.outbox import APPEND
from tests.support import oracle
from tests.support.databases import Databases, superuser_of
from tests.support.event_consumers import LEDGER
from tests.support.event_logs import TRIPS, add
from tests.support.histories import History, Outcome, Writers, Written, read_log
from tests.support.silo_logs import Kind

_TICK = "SELECT moved FROM event_log_tick(%s)"
_CHANGE = "UPDATE trip SET version = version + 1 WHERE name = %s RETURNING version"
_BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
_LOGGED = "SELECT subject || ' v' || subject_version FROM event_log ORDER BY position"
_EMPTY = """
DELETE FROM outbox; DELETE FROM event_log;
DELETE FROM event_log_epoch; DELETE FROM event_subscriber; DELETE FROM consumer_checkpoint;
DELETE FROM consumer_dead_letter; DELETE FROM consumer_snapshot_subject;
DELETE FROM ledger; DELETE FROM picky;
UPDATE event_log_head SET epoch = 0, fingerprint = '', first_position = 1, last_position = 0,
       log_id = gen_random_uuid();
UPDATE trip SET version = 0
"""
_CUT_BACK = (
    "DELETE FROM event_log WHERE position > %(position)s",
    "UPDATE event_log_head SET last_position = %(position)s, epoch = coalesce(%(epoch)s, epoch)",
    "DELETE FROM event_log_epoch WHERE epoch > %(epoch)s",
    """
    UPDATE trip SET version = coalesce(
      (SELECT max(subject_version) FROM event_log WHERE subject = trip.name), 0)
    """,
)
_MORE_TRIPS = "INSERT INTO trip SELECT 'T' || n FROM generate_series(4, 40) n;"


class Writer:
    """Does what units of work do, on a connection of its own, and notes what it is told."""

    def __init__(self, connection: Connection[Any], kind: Kind, writers: Writers) -> None:
        self.connection = connection
        self.kind = kind
        self._writers = writers
        self._written: list[Written] = []

    def change(self, trip: str, *causes: UUID, audience: Sequence[str] = ()) -> UUID:
        """Lock and change the row, and only then announce it; return the event's id."""
        row = self.connection.execute(_CHANGE, [trip]).fetchone()
        assert row is not None
        return self.announce(trip, row[0], *causes, audience=audience)

    def announce(
        self, subject: str, version: int, *causes: UUID, audience: Sequence[str] = ()
    ) -> UUID:
        row = self.row(subject, version, audience)
        self.connection.execute(APPEND, row)
        written = Written(
            event_id=UUID(row["event_id"]),
            subject=subject,
            version=version,
            type=row["type"],
            audience=row["audience"],
            causes=causes,
        )
        self._written.append(written)
        return UUID(row["event_id"])

    def row(self, subject: str, version: int, audience: Sequence[str]) -> dict[str, Any]:
        """Make the outbox row of an event."""
        return self.kind.row(subject, version, audience)

    def commit(self) -> None:
        """Commit, and note the outcome; one that died is unknown, and its error is raised."""
        try:
            self.connection.commit()
        except OperationalError:
            self.tell(Outcome.UNKNOWN)
            raise
        self.tell(Outcome.ACKED)

    def rollback(self) -> None:
        self.tell(Outcome.ROLLED_BACK)
        if not self.connection.closed:
            self.connection.rollback()

    def tell(self, outcome: Outcome) -> None:
        """Note what became of everything written since the last time."""
        written, self._written = self._written, []
        self._writers.tell(outcome, written)

    @contextmanager
    def doomed_savepoint(self) -> Iterator[None]:
        """Roll back what is written within, and nothing else."""
        before, self._written = self._written, []
        with self.connection.transaction(force_rollback=True):
            yield
        self.tell(Outcome.ROLLED_BACK)
        self._written = before


@dataclass
class Scene:
    """One log, its history, and connections that end with the test."""

    dsn: str
    kind: Kind
    stack: ExitStack
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.sequencer = self.connect(autocommit=True)
        self.admin = self.superuser(autocommit=True)

    def connect(self, *, autocommit: bool = False, options: str = "") -> Connection[Any]:
        opened = psycopg.connect(self.dsn, autocommit=autocommit, options=options)
        return self.stack.enter_context(opened)

    def superuser(self, *, autocommit: bool = False) -> Connection[Any]:
        opened = psycopg.connect(superuser_of(self.dsn), autocommit=autocommit)
        return self.stack.enter_context(opened)

    def writer(self) -> Writer:
        return Writer(self.connect(), self.kind, self.history.writers)

    def writers(self, count: int) -> list[Writer]:
        return [self.writer() for _ in range(count)]

    def written(self, *trips: str) -> list[UUID]:
        """Change each trip in a transaction of its own; return the events' ids."""
        writer, ids = self.writer(), []
        for trip in trips:
            ids.append(writer.change(trip))
            writer.commit()
        return ids

    def tick(self, batch: int = 200, by: Connection[Any] | None = None) -> int:
        row = (by or self.sequencer).execute(_TICK, [batch]).fetchone()
        assert row is not None
        return int(row[0])

    def sequence(self, batch: int = 200) -> None:
        """Tick until nothing is left."""
        while self.tick(batch):
            pass

    def until_blocked(self, waiting: Connection[Any] | abc.PGconn) -> None:
        """Return once ``waiting`` really waits for another connection's lock."""
        while not self.is_blocked(waiting):
            pass

    def is_blocked(self, waiting: Connection[Any] | abc.PGconn) -> bool:
        pgconn = waiting.pgconn if isinstance(waiting, Connection) else waiting
        return self.admin.execute(_BLOCKED, [pgconn.backend_pid]).fetchone() == (True,)

    @contextmanager
    def unread_tick(self, batch: int = 200) -> Iterator[abc.PGconn]:
        """Send a tick as a client that stops there, and never reads the answer."""
        paused = PGconn.connect(self.dsn.encode())
        try:
            paused.send_query(f"SELECT event_log_tick({batch})".encode())
            yield paused
        finally:
            paused.finish()

    def kill(self, victim: Connection[Any]) -> None:
        self.admin.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])

    def another_life(self, name: str) -> None:
        """Let the server seem to be another one: it opens an epoch."""
        self.admin.execute("UPDATE event_log_head SET fingerprint = %s", [name])
        self.tick(0)

    def cut_back(self, position: int, epoch: int | None = None) -> None:
        """Make the log what a standby has of it that lacks all behind ``position``.

        With ``epoch`` it lacks the later epochs too. What had been written is lost to its writers.
        """
        self.history.log = None
        lost = self.admin.execute("SELECT event_id FROM event_log WHERE position > %s", [position])
        self.history.writers.lose(id for (id,) in lost.fetchall())
        parameters = {"position": position, "epoch": epoch}
        for statement in _CUT_BACK:
            self.admin.execute(statement, parameters)

    def events(self) -> list[str]:
        """Return the log's events in order, once the oracle has nothing to say against it."""
        self.history.log = read_log(self.admin, self.history.log)
        assert oracle.check(self.history) == []
        return [row[0] for row in self.admin.execute(_LOGGED)]


@contextmanager
def a_scene(dsn: str, kind: Kind) -> Iterator[Scene]:
    """Open a scene on a database of the silo that was ``laid``; its log is emptied."""
    with ExitStack() as stack:
        scene = Scene(dsn, kind, stack)
        scene.admin.execute(_EMPTY)
        yield scene


class Stages:
    """One database per silo for any number of scenes: making one takes longer than most of them."""

    def __init__(self, databases: Databases, stack: ExitStack) -> None:
        self._databases = databases
        self._stack = stack
        self._laid: dict[str, str] = {}

    def dsn(self, kind: Kind) -> str:
        """Return the service role's DSN of the silo's database."""
        if kind.silo not in self._laid:
            fresh = self._stack.enter_context(self._databases.fresh(kind.silo))
            self._laid[kind.silo] = add(fresh, TRIPS + _MORE_TRIPS + LEDGER)
        return self._laid[kind.silo]
