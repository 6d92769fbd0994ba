"""An event that cannot be applied is given up as its following says, and nothing else is.

Run: ``python -m pytest tests/conformance/event_log/test_poison.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis import checkpoint, dead_letter
from chassis.projection import Policy
from tests.support.event_consumers import LEDGER, Consumer, consuming, until
from tests.support.event_logs import add
from tests.support.event_streams import Silo
from tests.support.poison import GARBLED, PICKY, Clumsy, smuggle
from tests.support.silo_logs import Kind

WAITING = "SELECT subject, position, reason FROM consumer_dead_letter ORDER BY position"


@pytest.fixture
async def consumer(peer_database: str) -> AsyncIterator[Consumer]:
    async with consuming(add(peer_database, LEDGER)) as opened:
        yield opened


def letters(consumer: Consumer) -> list[tuple[Any, ...]]:
    return consumer.admin.execute(WAITING).fetchall()


async def requeue(consumer: Consumer, kind: Kind, subject: str) -> None:
    async with consumer.database.begin(None) as uow:
        await dead_letter.retry(uow, kind.peer, kind.silo, subject, "an operator")


async def test_parked_events_keep_their_subjects_order_and_stop_nobody_else(
    kind: Kind, silo: Silo, consumer: Consumer
) -> None:
    clumsy = Clumsy()
    await consumer.follow(silo, clumsy.project, policy=Policy.PARK_SUBJECT)
    for version in (1, 2):
        await silo.announce(kind.announcement(PICKY, version), kind.announcement())
        await smuggle(silo, version)
    await silo.announce(*(kind.announcement() for _ in range(5)))
    await consumer.until_at(11)
    assert letters(consumer) == [
        (PICKY, 1, "CheckViolation 23514 picky_allowed_check"),
        (GARBLED, 3, "DecodeError"),
        (PICKY, 4, "BEHIND_PARKED"),
        (GARBLED, 6, "BEHIND_PARKED"),
    ]
    assert consumer.ledger() == [2, 5, 7, 8, 9, 10, 11]
    clumsy.healed = True
    await requeue(consumer, kind, PICKY)
    await requeue(consumer, kind, GARBLED)  # which nobody can heal: it waits as it did
    await until(lambda: {row[0] for row in letters(consumer)} == {GARBLED})
    await silo.announce(kind.announcement(PICKY, 3))
    await consumer.until_at(12)
    assert consumer.ledger()[7:] == [1, 4, 12]
    assert [row[1:] for row in letters(consumer)] == [(3, "DecodeError"), (6, "BEHIND_PARKED")]


async def test_a_consumer_that_may_not_skip_halts_at_the_event_and_goes_on_from_it(
    kind: Kind, silo: Silo, consumer: Consumer
) -> None:
    clumsy = Clumsy()
    await silo.announce(*(kind.announcement() for _ in range(5)))
    await silo.announce(kind.announcement(), kind.announcement(PICKY), kind.announcement())
    await consumer.follow(silo, clumsy.project, policy=Policy.HALT)
    why = "CheckViolation 23514 picky_allowed_check at position 7"
    await consumer.until_state(f"HALTED {why}")
    assert consumer.ledger() == [1, 2, 3, 4, 5, 6]
    clumsy.healed = True
    async with consumer.database.begin(None) as uow:
        assert await checkpoint.resume(uow, kind.peer, kind.silo)
    await consumer.until_at(8)
    await smuggle(silo, 1)
    await silo.announce(kind.announcement())
    await consumer.until_state("HALTED DecodeError at position 9")
    assert consumer.ledger() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert letters(consumer) == []


async def test_an_event_of_nobody_knows_whom_halts_its_consumer_whatever_its_policy(
    kind: Kind, silo: Silo, consumer: Consumer
) -> None:
    await consumer.follow(silo, policy=Policy.PARK_SUBJECT)
    await silo.announce(kind.announcement())
    await smuggle(silo, 1, is_nameless=True)
    await silo.announce(kind.announcement())
    await consumer.until_state("HALTED DecodeError at position 2, of nobody knows whom")
    assert consumer.ledger() == [1]
