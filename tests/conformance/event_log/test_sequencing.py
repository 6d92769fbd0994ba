"""Fixed schedules on which every simpler way of numbering events loses or inverts some.

Proves: what commits late is not lost; versions and causes come in their order whoever began
first; nothing rolled back comes; no stranger's transaction holds anything up; no batch cuts an
effect from its cause, nor a transaction; nobody rewrites the log or publishes what is not durable.
Each schedule's history is judged by the oracle.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege, RaiseException

from tests.support.databases import superuser_of
from tests.support.event_writers import Scene


def _takes_a_transaction_id(stranger: Connection[Any]) -> None:
    stranger.execute("INSERT INTO unrelated VALUES ('still open')")


def test_a_late_commit_is_not_lost(scene: Scene) -> None:
    a, b = scene.writers(2)
    a.change("T1")
    b.change("T2")
    for writer in (b, a):  # a wrote first and commits last
        writer.commit()
        scene.tick()
    assert scene.events() == ["T2 v1", "T1 v1"]


def test_versions_follow_one_another_whoever_began_first(scene: Scene) -> None:
    a, b = scene.writers(2)
    _takes_a_transaction_id(a.connection)
    for writer in (b, a):
        writer.change("T1")
        writer.commit()
    scene.tick()
    assert scene.events() == ["T1 v1", "T1 v2"]


def test_an_effect_follows_its_cause_in_another_subject(scene: Scene) -> None:
    a, b = scene.writers(2)
    a.change("T1")
    [cause] = scene.written("T2")
    effect = a.change("T3", cause)  # a has seen the commit: all of a comes behind it
    a.commit()
    b.change("T4", effect)
    b.commit()
    scene.sequence(1)
    assert scene.events() == ["T2 v1", "T1 v1", "T3 v1", "T4 v1"]


def test_a_strangers_open_transaction_stops_nobody(scene: Scene) -> None:
    _takes_a_transaction_id(scene.connect())
    scene.written("T1")
    scene.tick()
    assert scene.events() == ["T1 v1"]


def test_a_writer_in_another_database_of_the_server_stops_nobody(scene: Scene) -> None:
    elsewhere = make_conninfo(superuser_of(scene.dsn), dbname="postgres")
    with psycopg.connect(elsewhere) as stranger:
        stranger.execute("CREATE TEMPORARY TABLE unrelated (note text)")
        _takes_a_transaction_id(stranger)
        scene.written("T1")
        scene.tick()
        assert scene.events() == ["T1 v1"]


def test_a_rolled_back_event_never_comes(scene: Scene) -> None:
    a, b = scene.writers(2)
    a.change("T1")
    b.change("T2")
    a.rollback()
    b.commit()
    scene.tick()
    assert scene.events() == ["T2 v1"]


def test_what_a_rolled_back_savepoint_announced_never_comes(scene: Scene) -> None:
    writer = scene.writer()
    writer.change("T2")
    with writer.doomed_savepoint():
        writer.change("T3")
    writer.change("T2")
    writer.commit()
    scene.tick()
    assert scene.events() == ["T2 v1", "T2 v2"]


def test_a_released_savepoint_belongs_to_its_transaction(scene: Scene) -> None:
    a, b = scene.writers(2)
    a.change("T1")
    with a.connection.transaction():  # a savepoint has a transaction id of its own
        a.change("T2")
    b.change("T3")
    b.commit()
    a.commit()
    scene.sequence(1)
    assert scene.events() == ["T1 v1", "T2 v1", "T3 v1"]


def test_a_transaction_larger_than_the_batch_stays_whole(scene: Scene) -> None:
    a, b = scene.writers(2)
    for trip in ("T1", "T2", "T3"):
        a.change(trip)
        b.change(trip.replace("T", "T1"))
    a.commit()
    b.commit()
    assert scene.tick(1) == 3
    scene.sequence(1)
    assert scene.events() == ["T1 v1", "T2 v1", "T3 v1", "T11 v1", "T12 v1", "T13 v1"]


@pytest.mark.parametrize("batch", [1, 2, 3, 50])
def test_a_batch_never_cuts_an_effect_from_its_cause(scene: Scene, batch: int) -> None:
    interleave(scene)
    scene.sequence(batch)
    assert scene.events() == ["T2 v1", "T3 v1", "T1 v1", "T3 v2"]


def interleave(scene: Scene) -> None:
    """Let a change T1, b T2, c T3, then a T3: a began first but depends on c."""
    a, b, c = scene.writers(3)
    a.change("T1")
    for writer, trip in ((b, "T2"), (c, "T3"), (a, "T3")):
        writer.change(trip)
        writer.commit()


def test_what_commits_while_the_sequencer_waits_is_moved_too(scene: Scene) -> None:
    holder = scene.superuser()
    with ThreadPoolExecutor() as pool:
        scene.written("T1")
        holder.execute("SELECT FROM event_log_head FOR UPDATE")
        ticking = pool.submit(scene.tick)
        scene.until_blocked(scene.sequencer)
        scene.written("T2")
        holder.rollback()
        assert ticking.result() == 2
    assert scene.events() == ["T1 v1", "T2 v1"]


def test_another_life_of_the_server_opens_an_epoch(scene: Scene) -> None:
    scene.tick(0)
    scene.written("T1")
    scene.tick()
    scene.admin.execute("UPDATE event_log_head SET fingerprint = 'before the restore'")
    scene.tick(0)
    scene.written("T1")
    scene.tick()
    rows = scene.admin.execute("SELECT epoch, start_position FROM event_log_epoch ORDER BY epoch")
    assert rows.fetchall() == [(1, 1), (2, 2)]
    assert scene.events() == ["T1 v1", "T1 v2"]


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
def test_a_service_cannot_rewrite_its_log(scene: Scene, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        scene.sequencer.execute(statement.encode())


@pytest.mark.parametrize(
    "setting",
    [
        "synchronous_commit = off",
        "synchronous_commit = local",
        "default_transaction_isolation = 'repeatable read'",
    ],
)
def test_a_tick_refuses_what_would_publish_too_early(scene: Scene, setting: str) -> None:
    hasty = scene.connect(autocommit=True)
    hasty.execute(f"SET {setting}".encode())
    with pytest.raises(RaiseException):
        scene.tick(by=hasty)
