"""Following another silo: one effect per event, whoever dies, pauses, fails or falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import psycopg
import pytest

from chassis import checkpoint, dead_letter
from chassis.projection import Policy, Received
from chassis.projection_feed import MOST_EVENTS
from chassis.sql import written
from chassis.unit_of_work import UnitOfWork
from tests.support.databases import Databases, superuser_of
from tests.support.event_consumers import (
    LEDGER,
    Consumer,
    Gate,
    consuming,
    note,
    until,
)
from tests.support.event_logs import a_provision, lay
from tests.support.event_streams import Silo, serving

STATE = "SELECT max(state || ' ' || coalesce(state_reason, '')) FROM consumer_checkpoint"
DAWDLE = written("SELECT pg_sleep(0.06)")  # two of them are longer than a transaction should be
PICKY = written("INSERT INTO picky VALUES (%(subject)s, false)")


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


async def _announce(silo: Silo, count: int) -> None:
    for _ in range(count):
        await silo.announce(a_provision())


async def test_every_event_has_its_effect_once_and_in_order(silo: Silo, consumer: Consumer) -> None:
    await _announce(silo, 5)
    await consumer.follow(silo)
    await silo.announce(*(a_provision() for _ in range(40)))
    await _announce(silo, 5)
    await consumer.until_at(50)
    assert consumer.ledger() == list(range(1, 51))


async def test_a_backlog_is_caught_up_with_in_short_transactions(
    silo: Silo, consumer: Consumer
) -> None:
    await _announce(silo, 2 * MOST_EVENTS + 1)
    await consumer.follow(silo)
    await consumer.until_at(2 * MOST_EVENTS + 1)
    sizes = "SELECT max(size) FROM (SELECT count(*) AS size FROM ledger GROUP BY xmin::text) frames"
    assert consumer.one(sizes) <= MOST_EVENTS


async def test_a_slow_frame_is_several_transactions_each_of_whole_ones(
    silo: Silo, consumer: Consumer
) -> None:
    async def dawdle(uow: UnitOfWork, _: Received) -> None:
        await uow.execute(DAWDLE)

    for _ in range(4):
        await silo.announce(a_provision(), a_provision())
    await consumer.follow(silo, note, dawdle)
    await consumer.until_at(8)
    sizes = "SELECT array_agg(DISTINCT size) FROM"
    frames = "(SELECT count(*) AS size FROM ledger GROUP BY xmin::text) frames"
    assert consumer.one(f"{sizes} {frames}") == [2]
    assert consumer.ledger() == list(range(1, 9))


async def test_a_new_process_goes_on_where_the_old_one_stopped(
    silo: Silo, consumer: Consumer
) -> None:
    first = await consumer.follow(silo)
    await _announce(silo, 3)
    await consumer.until_at(3)
    await first.stop()
    await _announce(silo, 3)
    await consumer.follow(silo)  # the lease was given back: it need not run out
    await consumer.until_at(6, seconds=5)
    assert consumer.ledger() == [1, 2, 3, 4, 5, 6]


async def test_a_consumer_killed_between_effect_and_checkpoint_had_no_effect(
    silo: Silo, consumer: Consumer
) -> None:
    gate = Gate(position=2)
    await consumer.follow(silo, note, gate.project)
    await _announce(silo, 3)
    await asyncio.wait_for(gate.reached.wait(), 10)
    killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE xact_start IS"
    assert consumer.one(f"{killed} NOT NULL AND pid <> pg_backend_pid() AND state LIKE 'idle in%%'")
    gate.opened.set()
    await consumer.until_at(3)
    assert consumer.ledger() == [1, 2, 3]


async def test_a_paused_consumer_that_wakes_after_its_heir_changes_nothing(
    silo: Silo, consumer: Consumer
) -> None:
    gate = Gate(position=2)
    await consumer.follow(silo, note, gate.project)
    await _announce(silo, 3)
    await asyncio.wait_for(gate.reached.wait(), 10)
    consumer.expire_lease()
    await consumer.follow(silo)
    await consumer.until_at(3)
    gate.opened.set()  # the zombie's effect is in its transaction; the fence undoes it
    await _announce(silo, 2)
    await consumer.until_at(5)
    assert consumer.ledger() == [1, 2, 3, 4, 5]
    assert consumer.one("SELECT lease_term FROM consumer_checkpoint") == 2


async def test_a_standby_waits_as_long_as_the_lease_is_renewed(
    silo: Silo, consumer: Consumer
) -> None:
    await consumer.follow(silo)
    await consumer.follow(silo)
    await _announce(silo, 1)
    await consumer.until_at(1)
    assert consumer.one("SELECT lease_term FROM consumer_checkpoint") == 1


async def test_a_clock_that_was_set_back_does_not_prolong_a_lease(
    silo: Silo, consumer: Consumer
) -> None:
    consumer.admin.execute(
        "INSERT INTO consumer_checkpoint (consumer, source, lease_holder, lease_until)"
        " VALUES ('ems', 'hospital', 'died', clock_timestamp() + interval '1 hour')"
    )
    await consumer.follow(silo)
    await _announce(silo, 1)
    await consumer.until_at(1)


async def test_a_poison_event_parks_its_subject_and_nothing_else(
    silo: Silo, consumer: Consumer
) -> None:
    async def project(uow: UnitOfWork, event: Received) -> None:
        await note(uow, event)
        if event.metadata.subject == "hospitals/bad":
            await uow.execute(PICKY, subject="bad")

    await silo.announce(
        a_provision(), a_provision("hospitals/bad"), a_provision(), a_provision("hospitals/bad", 2)
    )
    await consumer.follow(silo, project)
    await silo.announce(a_provision())
    await silo.announce(a_provision("hospitals/bad", 3))
    await consumer.until_at(6)
    assert consumer.ledger() == [1, 3, 5]
    letters = consumer.admin.execute(
        "SELECT position, reason, attempts FROM consumer_dead_letter ORDER BY position"
    ).fetchall()
    reason = "CheckViolation 23514 picky_allowed_check"
    assert letters == [(2, reason, 5), (4, "BEHIND_PARKED", 0), (6, "BEHIND_PARKED", 0)]


async def test_a_retry_applies_what_was_parked_in_order(silo: Silo, consumer: Consumer) -> None:
    healed = asyncio.Event()

    async def project(uow: UnitOfWork, event: Received) -> None:
        if event.metadata.subject == "hospitals/bad" and not healed.is_set():
            raise ValueError("a fault of the projector")
        await note(uow, event)

    await consumer.follow(silo, project)
    for version in (1, 2, 3):
        await silo.announce(a_provision("hospitals/bad", version))
    await consumer.until_at(3)
    retry = ("ems", "hospital", "hospitals/bad", "an operator")
    async with consumer.database.begin(None) as uow:
        assert await dead_letter.retry(uow, *retry) == 3
    parked = "SELECT count(*) FROM consumer_dead_letter WHERE state = 'PARKED'"
    await until(lambda: consumer.one(parked) == 3)  # still ill: all of it waits again
    healed.set()
    async with consumer.database.begin(None) as uow:
        await dead_letter.retry(uow, *retry)
    await until(lambda: consumer.one("SELECT count(*) FROM consumer_dead_letter") == 0)
    await silo.announce(a_provision("hospitals/bad", 4))
    await consumer.until_at(4)
    assert consumer.ledger() == [1, 2, 3, 4]


async def test_a_consumer_that_may_not_skip_halts_until_an_operator_resumes_it(
    silo: Silo, consumer: Consumer
) -> None:
    healed = asyncio.Event()

    async def project(uow: UnitOfWork, event: Received) -> None:
        if event.placement.position == 2 and not healed.is_set():
            raise ValueError("a fault of the projector")
        await note(uow, event)

    await _announce(silo, 3)
    await consumer.follow_at(silo.port, [project], policy=Policy.HALT)
    await until(lambda: consumer.one(STATE) == "HALTED ValueError at position 2")
    assert consumer.ledger() == [1]
    healed.set()
    async with consumer.database.begin(None) as uow:
        assert await checkpoint.resume(uow, "ems", "hospital")
    await consumer.until_at(3)
    assert consumer.ledger() == [1, 2, 3]


async def test_collisions_are_retried_without_counting(silo: Silo, consumer: Consumer) -> None:
    collisions = iter(range(7))

    async def project(uow: UnitOfWork, event: Received) -> None:
        await note(uow, event)
        if next(collisions, None) is not None:
            raise psycopg.errors.DeadlockDetected

    await consumer.follow(silo, project)
    await _announce(silo, 2)
    await consumer.until_at(2)
    assert consumer.ledger() == [1, 2]
    assert consumer.one("SELECT count(*) FROM consumer_dead_letter") == 0


async def test_what_a_projector_announces_names_its_cause(silo: Silo, consumer: Consumer) -> None:
    async def project(uow: UnitOfWork, event: Received) -> None:
        await note(uow, event)
        uow.emit(a_provision())

    await consumer.follow(silo, project)
    await _announce(silo, 1)
    await consumer.until_at(1)
    cause = consumer.one("SELECT event_id FROM ledger")
    assert cause.encode() in bytes(consumer.one("SELECT data FROM outbox"))


async def test_a_log_that_was_cut_back_halts_its_consumer(silo: Silo, consumer: Consumer) -> None:
    first = await consumer.follow(silo)
    await _announce(silo, 5)
    await consumer.until_at(5)
    await first.stop()
    with psycopg.connect(superuser_of(silo.dsn), autocommit=True) as admin:
        admin.execute("DELETE FROM event_log WHERE position > 2")  # a standby that lacked three
        admin.execute("UPDATE event_log_head SET last_position = 2, fingerprint = 'another'")
    await silo.announce(a_provision())
    async with serving(silo.dsn) as promoted:
        await consumer.follow(promoted)
        await until(lambda: consumer.one(STATE) == "HALTED LOG_TRUNCATED")
        assert consumer.position() == 5
        async with consumer.database.begin(None) as uow:
            assert await checkpoint.start_over(uow, "ems", "hospital")
        await until(lambda: consumer.ledger() == [1, 2, 3, 4, 5, 1, 2, 3])
