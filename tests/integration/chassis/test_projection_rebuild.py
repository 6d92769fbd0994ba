"""Rebuilding a consumer's copies: fenced, interrupted, asked for where it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from medport.common.v1 import event_log_pb2 as common
from prometheus_client import REGISTRY

from chassis import channels, checkpoint
from chassis.checkpoint import Fenced, Lease
from chassis.projection import Following, Rebuild, Received
from chassis.projection_feed import MOST_EVENTS, Feed, Interrupted
from chassis.projection_rebuild import Rebuilding
from chassis.sql import written
from chassis.unit_of_work import UnitOfWork
from tests.support.copying import COPIES, LIVE, ROWS, Source, showing
from tests.support.databases import Databases
from tests.support.event_consumers import LEDGER, Consumer, consuming, until
from tests.support.event_logs import lay
from tests.support.event_streams import serving, until_head
from tests.support.silo_logs import HOSPITAL

NAME = "ems.live_copy"
STAY = written("SET LOCAL idle_in_transaction_session_timeout = '60s'")
PICKY = written("INSERT INTO picky VALUES (%(subject)s, false)")


@pytest.fixture
async def source(plain_database: str) -> AsyncIterator[Source]:
    async with serving(lay(plain_database, ROWS), snapshot=showing(HOSPITAL)) as served:
        yield Source(served)


@pytest.fixture
async def consumer(databases: Databases) -> AsyncIterator[Consumer]:
    with ExitStack() as stack:
        dsn = stack.enter_context(databases.fresh("hospital", migrated=False))
        async with consuming(lay(dsn, LEDGER + COPIES)) as opened:
            yield opened


@dataclass
class Stop:
    """Where a process stands still, its transaction open and nothing written in it yet."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def overwrite(self, uow: UnitOfWork, _: Received) -> None:
        await self._stay(uow)

    async def sweep(self, uow: UnitOfWork, _consumer: str, _source: str) -> None:
        await self._stay(uow)

    async def _stay(self, uow: UnitOfWork) -> None:
        await uow.execute(STAY)
        self.reached.set()
        await self.opened.wait()


def halted(consumer: str) -> float | None:
    labels = {"consumer": consumer, "source": "hospital"}
    return REGISTRY.get_sample_value("medport_consumer_halted", labels)


async def ask(consumer: Consumer, name: str = NAME) -> None:
    async with consumer.database.begin(None) as uow:
        assert await checkpoint.request_rebuild(uow, name, "hospital")


async def follow(consumer: Consumer, source: Source, rebuild: Rebuild = LIVE.rebuild) -> Any:
    return await consumer.follow(source.silo, LIVE.project, consumer=NAME, rebuild=rebuild)


def a_following(rebuild: Rebuild = LIVE.rebuild) -> Following:
    return Following(
        source="hospital", consumer=NAME, file=HOSPITAL.file, projects=[], rebuild=rebuild
    )


async def take_lease(consumer: Consumer) -> Lease:
    async with consumer.database.begin(None) as uow:
        held = await checkpoint.acquire(uow, NAME, "hospital", "me")
    assert held is not None
    return Lease(NAME, "hospital", "me", held.lease_term)


@pytest.mark.parametrize("where", ["overwriting", "sweeping"])
async def test_a_zombie_that_wakes_while_rebuilding_changes_nothing(
    source: Source, consumer: Consumer, where: str
) -> None:
    await source.change("subjects/a", "subjects/b")
    await until_head(source.silo, 2)
    lease, stop, rebuild = await take_lease(consumer), Stop(), LIVE.rebuild
    stopping = (
        Rebuild(overwrite=[stop.overwrite, *rebuild.overwrite], sweep=rebuild.sweep)
        if where == "overwriting"
        else Rebuild(overwrite=rebuild.overwrite, sweep=[stop.sweep, *rebuild.sweep])
    )
    await ask(consumer)
    following, port = a_following(stopping), source.silo.port
    feed = Feed(following, lambda: channels.channel(f"127.0.0.1:{port}"), lambda: "a token")
    paused = Rebuilding(consumer.database, following, lease).run(feed.snapshot())
    zombie = asyncio.create_task(paused)
    await asyncio.wait_for(stop.reached.wait(), 15)
    consumer.expire_lease()
    await follow(consumer, source)  # the heir rebuilds, and follows on
    await consumer.until_state("RUNNING")
    await source.change("subjects/a")
    await consumer.until_at(3)
    stop.opened.set()
    with pytest.raises(Fenced):
        await zombie
    assert LIVE.rows(consumer) == {"subjects/a": 2, "subjects/b": 1}


async def test_an_interrupted_rebuild_starts_over_and_forgets_what_it_had_met(
    source: Source, consumer: Consumer
) -> None:
    await source.change(*(f"subjects/{number:02}" for number in range(60)))  # three frames
    stop = Stop()

    async def overwrite(uow: UnitOfWork, row: Received) -> str:
        if row.metadata.subject == "subjects/40":
            await stop.overwrite(uow, row)
        return await LIVE.overwrite(uow, row)

    first = await follow(consumer, source, Rebuild(overwrite=[overwrite], sweep=LIVE.rebuild.sweep))
    await consumer.until_at(60)
    await ask(consumer)
    await asyncio.wait_for(stop.reached.wait(), 15)
    assert consumer.one("SELECT count(*) FROM consumer_snapshot_subject") == MOST_EVENTS
    await first.stop()
    source.sql("DELETE FROM noun WHERE subject = 'subjects/00'")  # met, and gone since
    await follow(consumer, source)
    await consumer.until_state("RUNNING")
    assert LIVE.hash(consumer) == source.hash()


async def test_a_following_that_rows_do_not_do_for_says_so_when_asked(
    source: Source, consumer: Consumer
) -> None:
    why = "rows answer no award"
    follower = await consumer.follow(source.silo, LIVE.project, without_log=why)
    await source.change("subjects/a")
    await consumer.until_at(1)
    await ask(consumer, "ems")
    await consumer.until_state(f"HALTED CANNOT_REBUILD: {why}")
    assert LIVE.rows(consumer) == {"subjects/a": 1}
    await until(lambda: halted("ems") == 1)
    await follower.stop()
    assert halted("ems") == 0  # whoever has the lease tells it


async def test_a_row_that_cannot_be_written_halts_the_rebuild_and_sweeps_nothing(
    source: Source, consumer: Consumer
) -> None:
    async def overwrite(uow: UnitOfWork, row: Received) -> str:
        if row.metadata.subject == "subjects/bad":
            await uow.execute(PICKY, subject="bad")
        return await LIVE.overwrite(uow, row)

    await source.change("subjects/a", "subjects/bad")
    await follow(consumer, source, Rebuild(overwrite=[overwrite], sweep=LIVE.rebuild.sweep))
    await consumer.until_at(2)
    await ask(consumer)
    why = "CheckViolation 23514 picky_allowed_check while rebuilding"
    await consumer.until_state(f"HALTED {why}")
    assert set(LIVE.rows(consumer)) == {"subjects/a", "subjects/bad"}


async def test_what_was_parked_is_done_with_once_the_rows_are_here(
    source: Source, consumer: Consumer
) -> None:
    async def project(uow: UnitOfWork, event: Received) -> None:
        if event.metadata.subject == "subjects/bad":
            raise ValueError("a fault of the projector")
        await LIVE.project(uow, event)

    await source.change("subjects/a", "subjects/bad")
    await consumer.follow(source.silo, project, consumer=NAME, rebuild=LIVE.rebuild)
    await consumer.until_at(2)
    assert LIVE.rows(consumer) == {"subjects/a": 1}
    await ask(consumer)
    await until(lambda: LIVE.rows(consumer) == {"subjects/a": 1, "subjects/bad": 1})
    await consumer.until_state("RUNNING")
    assert consumer.one("SELECT state || resolved_by FROM consumer_dead_letter") == (
        "DISCARDED" + "rebuild"
    )
    await source.change("subjects/bad")  # and fails as before: the subject is free to park anew
    await consumer.until_at(3)
    parked = "SELECT reason FROM consumer_dead_letter WHERE state = 'PARKED'"
    assert consumer.one(parked) == "ValueError"


async def test_a_snapshot_that_lost_a_row_on_its_way_sweeps_nothing(consumer: Consumer) -> None:
    async def frames() -> AsyncIterator[Any]:
        response = HOSPITAL.pb.SubscribeResponse
        yield response(started=common.Started())
        yield response(snapshot_end=common.SnapshotEnd(event_count=1), position=1)

    lease = await take_lease(consumer)
    await ask(consumer)
    rebuilding = Rebuilding(consumer.database, a_following(), lease)
    with pytest.raises(Interrupted, match="SNAPSHOT_INCOMPLETE"):
        await rebuilding.run(frames())
    assert consumer.state() == "REBUILDING REQUESTED"
