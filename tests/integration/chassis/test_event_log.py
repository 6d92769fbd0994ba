"""The sequencer: fixed schedules on which every simpler way loses or inverts events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, OperationalError

import chassis
from tests.support.databases import owner_of, superuser_of
from tests.support.event_logs import TRIPS, change, lay, logged

TICK = "SELECT moved FROM event_log_tick(%s)"
# The tempting cut: the transactions that own the lowest ids, whole, in the order of those ids.
LOWEST_IDS = """
SELECT subject || ' v' || subject_version FROM outbox
 WHERE xid IN (SELECT xid FROM outbox ORDER BY id LIMIT 2) ORDER BY id
"""


class Log:
    """A database with a log, and connections to it that end with the test."""

    def __init__(self, dsn: str, stack: ExitStack) -> None:
        self.dsn = dsn
        self._stack = stack
        self.sequencer = self.connect(autocommit=True)
        self.admin = self._stack.enter_context(psycopg.connect(superuser_of(dsn), autocommit=True))

    def connect(self, *, autocommit: bool = False) -> Connection[Any]:
        return self._stack.enter_context(psycopg.connect(self.dsn, autocommit=autocommit))

    def tick(self, batch: int = 200, by: Connection[Any] | None = None) -> int:
        row = (by or self.sequencer).execute(TICK, [batch]).fetchone()
        assert row is not None
        return int(row[0])

    def events(self) -> list[str]:
        return logged(self.sequencer)

    def until_blocked(self, waiting: Connection[Any]) -> None:
        blockers = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        while self.admin.execute(blockers, [waiting.info.backend_pid]).fetchone() != (True,):
            pass


@pytest.fixture
def log(plain_database: str) -> Iterator[Log]:
    with ExitStack() as stack:
        yield Log(lay(plain_database, TRIPS), stack)


def test_a_late_commit_is_not_lost(log: Log) -> None:
    a, b = log.connect(), log.connect()
    change(a, "T1")
    change(b, "T2")
    for writer in (b, a):  # a wrote first and commits last
        writer.commit()
        log.tick()
    assert log.events() == ["T2 v1", "T1 v1"]


def test_versions_follow_one_another_whoever_began_first(log: Log) -> None:
    a, b = log.connect(), log.connect()
    a.execute("INSERT INTO unrelated VALUES ('takes a transaction id')")
    for writer in (b, a):
        change(writer, "T1")
        writer.commit()
    log.tick()
    assert log.events() == ["T1 v1", "T1 v2"]


def test_a_strangers_open_transaction_stops_nobody(log: Log) -> None:
    stranger, b = log.connect(), log.connect()
    stranger.execute("INSERT INTO unrelated VALUES ('still open')")
    change(b, "T1")
    b.commit()
    log.tick()
    assert log.events() == ["T1 v1"]


def test_a_rolled_back_event_never_comes(log: Log) -> None:
    a, b = log.connect(), log.connect()
    change(a, "T1")
    a.rollback()
    with b.transaction():
        change(b, "T2")
        with b.transaction(force_rollback=True):
            change(b, "T3")
    log.tick()
    assert log.events() == ["T2 v1"]


def _interleave(log: Log) -> None:
    """Let a change T1, b T2, c T3, then a T3: a began first but depends on c."""
    a, b, c = (log.connect() for _ in range(3))
    change(a, "T1")
    for writer, trip in ((b, "T2"), (c, "T3"), (a, "T3")):
        change(writer, trip)
        writer.commit()


@pytest.mark.parametrize("batch", [1, 2, 3, 50])
def test_a_batch_never_cuts_an_effect_from_its_cause(log: Log, batch: int) -> None:
    _interleave(log)
    while log.tick(batch):
        pass
    assert log.events() == ["T2 v1", "T3 v1", "T1 v1", "T3 v2"]


def test_cutting_at_the_lowest_ids_would(log: Log) -> None:
    _interleave(log)  # the negative control: without it the test above would prove nothing
    rows = log.sequencer.execute(LOWEST_IDS).fetchall()
    assert [event for (event,) in rows] == ["T1 v1", "T2 v1", "T3 v2"]


def test_what_commits_while_the_sequencer_waits_is_moved_too(log: Log) -> None:
    holder, b = psycopg.connect(owner_of(log.dsn)), log.connect()
    with holder, ThreadPoolExecutor() as pool:
        change(b, "T1")
        b.commit()
        holder.execute("SELECT FROM event_log_head FOR UPDATE")
        ticking = pool.submit(log.tick)
        log.until_blocked(log.sequencer)
        change(b, "T2")
        b.commit()
        holder.rollback()
        assert ticking.result() == 2
    assert log.events() == ["T1 v1", "T2 v1"]


def test_a_sequencer_killed_in_the_middle_leaves_no_trace(log: Log) -> None:
    a, victim = log.connect(), psycopg.connect(log.dsn, autocommit=True)
    for trip in ("T1", "T2"):
        change(a, trip)
        a.commit()
    squatter = psycopg.connect(superuser_of(log.dsn))
    with squatter:
        squatter.execute(  # position 2 is taken: the tick stops inside its INSERT
            "INSERT INTO event_log VALUES"
            " (2, 0, 2, 0, 1, gen_random_uuid(), '', '', 1, '{x}', '', now())"
        )
        dying = threading.Thread(target=_die, args=(log, victim))
        dying.start()
        log.until_blocked(victim)
        log.admin.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
        dying.join()
        squatter.rollback()
    assert log.tick() == 2
    assert log.events() == ["T1 v1", "T2 v1"]


def _die(log: Log, victim: Connection[Any]) -> None:
    with pytest.raises(OperationalError):
        log.tick(by=victim)
    victim.close()


def test_another_life_of_the_server_opens_an_epoch(log: Log) -> None:
    writer = log.connect()
    log.tick(0)
    change(writer, "T1")
    writer.commit()
    log.tick()
    log.admin.execute("UPDATE event_log_head SET fingerprint = 'before the restore'")
    log.tick(0)
    rows = log.admin.execute("SELECT epoch, start_position FROM event_log_epoch ORDER BY epoch")
    assert rows.fetchall() == [(1, 1), (2, 2)]


def test_two_sequencers_and_many_writers_keep_every_version_in_order(log: Log) -> None:
    rounds, trips = 40, ["T1", "T2", "T3"]

    def write(seed: int) -> None:
        with psycopg.connect(log.dsn) as writer:
            for turn in range(rounds):
                change(writer, trips[(seed + turn) % 3])
                writer.commit()

    def order(batch: int, enough: threading.Event) -> None:
        with psycopg.connect(log.dsn, autocommit=True) as sequencer:
            is_last = False
            while not is_last:  # the last look begins after the last commit
                is_last = enough.is_set()
                while log.tick(batch, by=sequencer):
                    pass

    enough = threading.Event()
    with ThreadPoolExecutor(6) as pool:
        ordering = [pool.submit(order, batch, enough) for batch in (1, 50)]
        for writing in [pool.submit(write, seed) for seed in range(4)]:
            writing.result()
        enough.set()
        for each in ordering:
            each.result()
    events = log.events()
    for trip in trips:
        versions = [event.partition(" v")[2] for event in events if event.startswith(trip)]
        assert versions == [str(version) for version in range(1, len(versions) + 1)]
    assert len(events) == 4 * rounds


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM outbox",
        "UPDATE event_log SET audience = '{silo:center}'",
        "DELETE FROM event_log",
        "INSERT INTO event_log_epoch (epoch, start_position, fingerprint) VALUES (9, 1, '')",
        "UPDATE event_log_head SET last_position = 0",
        "DROP TABLE event_log_p0",
    ],
)
def test_a_service_cannot_rewrite_its_log(log: Log, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        log.sequencer.execute(statement.encode())


def test_a_tick_refuses_what_would_publish_too_early(log: Log) -> None:
    hasty = log.connect(autocommit=True)
    hasty.execute("SET synchronous_commit = off")
    with pytest.raises(psycopg.errors.RaiseException):
        log.tick(by=hasty)


def test_whole_partitions_go_when_they_are_old_and_nobody_holds_them(log: Log) -> None:
    owner = psycopg.connect(superuser_of(log.dsn), autocommit=True)
    with owner:
        owner.execute("SELECT event_log_extend(2, 10)")  # small ones, beside the usual first
        owner.execute("DROP TABLE event_log_p0, event_log_p1, event_log_p2")
        owner.execute("SELECT event_log_extend(3, 10)")
        writer = log.connect()
        for _ in range(25):
            change(writer, "T1")
            writer.commit()
        log.tick()
        owner.execute("INSERT INTO event_subscriber VALUES ('ems', true, 1, 12)")
        trim = "SELECT event_log_trim('0 days', '1 day', 10)"
        assert owner.execute(trim).fetchone() == (10,)  # 10 to 19 are held: ems is at 12
        owner.execute("UPDATE event_subscriber SET position = 25")
        assert owner.execute(trim).fetchone() == (20,)  # 20 to 29 are being written
        first = owner.execute("SELECT min(position) FROM event_log").fetchone()
        assert first == (20,)


def test_only_the_notifier_notifies() -> None:
    """NOTIFY in a business transaction takes a server-wide lock while it commits."""
    root = Path(chassis.__file__).parent.parent
    folders = ("chassis", "hospital_svc", "ems_svc", "center_svc")
    files = [path for folder in folders for path in (root / folder).rglob("*.[ps][yq]*")]
    loud = {path.name for path in files if "NOTIFY medport" in path.read_text()}
    assert loud == {"event_log_signals.py"}
    assert not [path for path in files if "pg_notify" in path.read_text()]
