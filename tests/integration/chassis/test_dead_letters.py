"""What was given up is met again when a consumer starts over: it waits on, and stops nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from chassis import checkpoint, dead_letter
from chassis.projection import Received
from chassis.sql import written
from chassis.unit_of_work import UnitOfWork
from tests.support.databases import Databases
from tests.support.event_consumers import LEDGER, Consumer, consuming, note, until
from tests.support.event_logs import a_provision, lay
from tests.support.event_streams import Silo, serving

BAD = "hospitals/bad"
LETTERS = "SELECT position, state, reason, attempts FROM consumer_dead_letter ORDER BY position"
PICKY = written("INSERT INTO picky VALUES (%(subject)s, false)")
REASON = "CheckViolation 23514 picky_allowed_check"


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


@pytest.fixture
def followers_database(databases: Databases) -> Iterator[str]:
    with databases.fresh("hospital", migrated=False) as dsn:
        yield lay(dsn, LEDGER)


@pytest.fixture
async def consumer(followers_database: str) -> AsyncIterator[Consumer]:
    async with consuming(followers_database) as opened:
        yield opened


async def project(uow: UnitOfWork, event: Received) -> None:
    await note(uow, event)
    if event.metadata.subject == BAD:
        await uow.execute(PICKY, subject="bad")


async def start_over(silo: Silo, consumer: Consumer) -> None:
    consumer.admin.execute("UPDATE consumer_checkpoint SET state = 'HALTED'")
    async with consumer.database.begin(None) as uow:
        assert await checkpoint.start_over(uow, "ems", "hospital")
    await silo.announce(a_provision())  # a stream that is open learns of it with its next frame


async def test_parked_events_are_met_again_and_wait_on(silo: Silo, consumer: Consumer) -> None:
    await silo.announce(a_provision(), a_provision(BAD), a_provision(BAD, 2))
    await consumer.follow(silo, project)
    await consumer.until_at(3)
    before = consumer.admin.execute(LETTERS).fetchall()
    assert before == [(2, "PARKED", REASON, 5), (3, "PARKED", "BEHIND_PARKED", 0)]

    await start_over(silo, consumer)
    await until(lambda: consumer.ledger() == [1, 1, 4])
    assert consumer.admin.execute(LETTERS).fetchall() == before


async def test_a_discarded_event_is_tried_again(silo: Silo, consumer: Consumer) -> None:
    await silo.announce(a_provision(), a_provision(BAD))
    await consumer.follow(silo, project)
    await consumer.until_at(2)
    async with consumer.database.begin(None) as uow:
        place = {"epoch": 1, "position": 2}
        assert await dead_letter.discard(uow, "ems", "hospital", **place, by="an operator")

    await start_over(silo, consumer)
    await until(lambda: consumer.ledger() == [1, 1, 3])
    await until(lambda: consumer.admin.execute(LETTERS).fetchall() == [(2, "PARKED", REASON, 10)])
