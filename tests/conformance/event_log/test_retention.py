"""What a silo's log keeps, for whom, and how far: partitions go by age, holds and the hard cap.

Proves events.md section 10 on partitions of ten positions. What a trim does under its readers is
in test_trims.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis.event_log_connections import connect
from chassis.event_log_retention import Upkeep
from chassis.server import Process
from chassis.settings import Retention
from tests.support.databases import superuser_of
from tests.support.event_logs import add
from tests.support.silo_logs import Kind
from tests.support.silos import Keys, build, settings
from tests.support.waiting import until

SMALL = 10
DAY = timedelta(days=1)
WEEK, MONTH = 7 * DAY, 30 * DAY


@pytest.fixture
def log(database: str) -> str:
    """Give a log whose partitions hold ten positions."""
    big = "DROP TABLE event_log_p0, event_log_p1, event_log_p2;"
    return add(database, f"{big} SELECT event_log_extend(3, {SMALL})")


@contextmanager
def _admin(log: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(superuser_of(log), autocommit=True) as admin:
        yield admin


def _write(log: str, count: int, age: timedelta) -> None:
    """Let ``count`` events have been recorded ``age`` ago."""
    with _admin(log) as admin:
        for _ in range(count):
            admin.execute(
                "INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)"
                " VALUES (gen_random_uuid(), 'x', gen_random_uuid()::text, 1, '{silo:ems}', '')"
            )
        admin.execute("SELECT event_log_tick(100)")
        admin.execute(
            "UPDATE event_log SET recorded_at = clock_timestamp() - %s"
            " WHERE position > (SELECT last_position - %s FROM event_log_head)",
            [age, count],
        )


async def _upkeep(log: str, holds: Sequence[str] = (), retention: Retention | None = None) -> int:
    """Do what a process does every minute; return the first position that is left."""
    upkeep = Upkeep(log, holds, retention or Retention(keep=WEEK, hard_cap=MONTH), SMALL)
    async with await connect(log) as connection:
        await upkeep.configure(connection)
        await upkeep.once(connection)
        await upkeep.measure(connection)
    return _first(log)


def _first(log: str) -> int:
    with _admin(log) as admin:
        row = admin.execute(
            "SELECT first_position, (SELECT min(position) FROM event_log) FROM event_log_head"
        ).fetchone()
    assert row is not None
    assert row[1] >= row[0] > row[1] - SMALL
    return int(row[0])


def _reported(log: str, name: str, position: int) -> None:
    with _admin(log) as admin:
        admin.execute(
            "INSERT INTO event_subscriber (name, epoch, position) VALUES (%s, 1, %s)"
            " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
            [name, position],
        )


def _metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"medport_{name}", labels)


async def test_what_is_older_than_the_retention_goes_in_whole_partitions(log: str) -> None:
    _write(log, 15, WEEK + DAY)  # 1-9 fill a partition, 10-19 have young ones among them
    _write(log, 10, WEEK - DAY)
    assert await _upkeep(log) == 10


async def test_a_hold_keeps_what_its_holder_has_not_read(log: str) -> None:
    _write(log, 35, WEEK + DAY)
    assert await _upkeep(log, ["peer"]) == 1  # it has reported nothing: all of it is needed
    _reported(log, "peer", 18)
    assert await _upkeep(log, ["peer"]) == 10  # it reads 19 next
    _reported(log, "peer", 19)
    assert await _upkeep(log, ["peer"]) == 20


async def test_the_slowest_hold_decides(log: str) -> None:
    _write(log, 35, WEEK + DAY)
    _reported(log, "fast", 35)
    _reported(log, "slow", 12)
    assert await _upkeep(log, ["fast", "slow"]) == 10


async def test_after_the_hard_cap_holders_lose(log: str) -> None:
    _write(log, 25, MONTH + DAY)
    _write(log, 10, WEEK + DAY)
    assert await _upkeep(log, ["peer"]) == 20


async def test_a_hold_that_is_configured_no_longer_is_released(log: str) -> None:
    _write(log, 35, WEEK + DAY)
    assert await _upkeep(log, ["gone", "peer"]) == 1
    assert _metric("retention_headroom_positions", consumer="gone") == 0
    _reported(log, "peer", 35)
    assert await _upkeep(log, ["peer"]) == 30
    assert _metric("retention_headroom_positions", consumer="gone") is None


async def test_who_only_reports_holds_nothing(log: str) -> None:
    _write(log, 25, WEEK + DAY)
    _reported(log, "stranger", 3)
    assert await _upkeep(log) == 20


async def test_how_near_a_holder_is_to_losing_something_is_measured(log: str) -> None:
    _write(log, 25, WEEK + DAY)
    _reported(log, "peer", 12)
    await _upkeep(log, ["peer"])
    assert _metric("log_first_position") == 10
    assert _metric("retention_headroom_positions", consumer="peer") == 3  # 10, 11 and 12
    left = _metric("retention_headroom_seconds", consumer="peer")
    assert left is not None
    assert timedelta(seconds=left) == pytest.approx(MONTH - WEEK - DAY, abs=timedelta(minutes=1))

    _reported(log, "peer", 25)
    await _upkeep(log, ["peer"])
    assert _metric("retention_headroom_seconds", consumer="peer") == MONTH.total_seconds()


def _said(logs: Sequence[Any]) -> list[int]:
    runs_out = [each for each in logs if each["event"] == "event_log_partitions_run_out"]
    assert all(each["log_level"] == "critical" for each in runs_out)
    return [each["headroom_positions"] for each in runs_out]


async def test_a_log_that_runs_out_of_partitions_says_so_once(log: str) -> None:
    upkeep = Upkeep(log, (), Retention(), SMALL)
    with capture_logs() as logs:
        async with await connect(log) as connection:
            await upkeep.measure(connection)
            assert _metric("log_headroom_positions") == 39
            _write(log, 29, DAY)
            await upkeep.measure(connection)  # 30 to 39 are all there is, one partition
            assert not _said(logs)
            _write(log, 1, DAY)
            await upkeep.measure(connection)
            await upkeep.measure(connection)
            assert _said(logs) == [9]
            await upkeep.once(connection)
            await upkeep.measure(connection)
            assert _metric("log_headroom_positions") == 29
    assert _said(logs) == [9]


async def test_a_process_keeps_what_its_settings_say_for_those_who_follow_it(
    kind: Kind, database: str
) -> None:
    given = settings(kind.silo, database, Keys(), {})
    retention = Retention(keep=WEEK, hard_cap=MONTH + 10 * DAY)
    process = Process(build(kind.silo), replace(given, retention=retention))
    await process.start()
    try:
        await until(lambda: _shows(retention.hard_cap.total_seconds(), kind.peer))
    finally:
        await process.stop(grace=0)
    with _admin(database) as admin:
        rows = admin.execute("SELECT name FROM event_subscriber WHERE retention_hold")
        others = {"hospital", "ems", "center"} - {kind.silo}
        assert {name.partition(".")[0] for (name,) in rows} == others


async def _shows(seconds: float, holder: str) -> bool:
    """Say whether that is shown, less the age of what the silo itself has just announced."""
    shown = _metric("retention_headroom_seconds", consumer=holder)
    return shown is not None and seconds - 60 < shown <= seconds
