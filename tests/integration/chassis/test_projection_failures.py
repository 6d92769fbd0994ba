"""Consumers while things break around them: the network, their database, their source."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack

import psycopg
import pytest

from tests.support.databases import Databases, superuser_of
from tests.support.event_consumers import LEDGER, Consumer, consuming, outage, until
from tests.support.event_logs import a_provision, lay
from tests.support.event_streams import Silo, serving, until_head
from tests.support.fault_proxy import in_front_of


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


@pytest.fixture
async def consumer(databases: Databases) -> AsyncIterator[Consumer]:
    with ExitStack() as stack:
        dsn = stack.enter_context(databases.fresh("hospital", migrated=False))
        async with consuming(lay(dsn, LEDGER)) as opened:
            yield opened


async def test_a_consumer_outlives_its_database(silo: Silo, consumer: Consumer) -> None:
    await consumer.follow(silo)
    await silo.announce(a_provision())
    await consumer.until_at(1)
    async with outage(consumer.dsn):
        for _ in range(3):
            await silo.announce(a_provision())
    consumer.reconnect()
    await consumer.until_at(4)
    assert consumer.ledger() == [1, 2, 3, 4]


async def test_a_consumer_outlives_its_sources_database(silo: Silo, consumer: Consumer) -> None:
    await consumer.follow(silo)
    await silo.announce(a_provision())
    await consumer.until_at(1)
    async with outage(silo.dsn):
        await asyncio.sleep(0)
    await _announce_when_up(silo)
    await consumer.until_at(2)
    assert consumer.ledger() == [1, 2]


async def _announce_when_up(silo: Silo) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await silo.announce(a_provision())
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_rolling_restart_of_the_source_is_invisible(
    plain_database: str, consumer: Consumer
) -> None:
    lay(plain_database)
    port = 0
    for turn in range(3):
        async with serving(plain_database, port=port) as silo:
            if not turn:
                port = silo.port
                await consumer.follow(silo)
            for _ in range(4):
                await silo.announce(a_provision())
            await consumer.until_at(4 * turn + 2)
            silo.publishing.drain()
    async with serving(plain_database, port=port):
        await consumer.until_at(12)
    assert consumer.ledger() == list(range(1, 13))


async def test_a_silent_network_is_found_within_three_heartbeats(
    silo: Silo, consumer: Consumer
) -> None:
    async with in_front_of(silo.port) as path:
        await consumer.follow_at(path.listening, heartbeat=0.3)
        await silo.announce(a_provision())
        await consumer.until_at(1)
        path.swallow()
        await silo.announce(a_provision())
        await consumer.until_at(2, seconds=6)
    assert consumer.ledger() == [1, 2]


async def test_chaos_never_gives_an_event_two_effects_or_none(
    silo: Silo, consumer: Consumer
) -> None:
    seed = secrets.randbelow(10_000)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    followers = [await consumer.follow(silo) for _ in range(2)]
    announced = 0
    for turn in range(12):
        size = chance.randint(1, 30)
        announced += size
        await silo.announce(*(a_provision() for _ in range(size)))
        match chance.choice(["kill connections", "expire", "stop", "nothing"]):
            case "kill connections":
                consumer.kill_connections()
            case "expire":
                consumer.expire_lease()
            case "stop":
                await followers.pop(0).stop()
                followers.append(await consumer.follow(silo))
        if turn % 3 == 0:
            await asyncio.sleep(chance.random() / 5)
    await consumer.until_at(announced, seconds=30)
    assert consumer.ledger() == list(range(1, announced + 1))


async def test_a_consumer_that_the_log_left_behind_halts_and_says_why(
    silo: Silo, consumer: Consumer
) -> None:
    why = "rows tell nobody who waits for an answer"
    first = await consumer.follow(silo)
    await silo.announce(a_provision())
    await consumer.until_at(1)
    await first.stop()
    await silo.announce(a_provision(), a_provision(), a_provision())
    await until_head(silo, 4)
    with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as admin:
        admin.execute("UPDATE event_log_head SET first_position = 4")
    await consumer.follow(silo, without_log=why)
    state = "SELECT state || ' ' || state_reason FROM consumer_checkpoint WHERE state = 'HALTED'"
    halted = f"HALTED RESUME_POINT_COMPACTED: {why}"
    await until(lambda: consumer.one(f"SELECT coalesce(({state}), '')") == halted)
    assert consumer.position() == 1
