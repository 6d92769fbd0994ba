"""However many replicas a consumer has, and whatever becomes of them: each event, one effect.

Run: ``python -m pytest tests/conformance/event_log/test_consumers.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.support import oracle
from tests.support.databases import superuser_of
from tests.support.event_consumers import LEDGER, Consumer, consuming
from tests.support.event_logs import add
from tests.support.event_streams import Silo
from tests.support.histories import Filter, History, read_log
from tests.support.profiles import count
from tests.support.replicas import replicas
from tests.support.silo_logs import Kind

ROUNDS = count(20, 400)

pytestmark = pytest.mark.timeout(count(180, 1_800))


@pytest.fixture
async def consumer(peer_database: str) -> AsyncIterator[Consumer]:
    async with consuming(add(peer_database, LEDGER)) as opened:
        yield opened


def violations(silo: Silo, consumer: Consumer) -> list[oracle.Violation]:
    """Let the oracle compare the ledger with the log."""
    history = History(is_whole=False)
    ledger = history.ledger("consumer", Filter(keys=frozenset({f"silo:{silo.kind.peer}"})))
    ledger.effects(consumer.admin.execute("SELECT event_id, position FROM ledger ORDER BY entry"))
    with psycopg.connect(superuser_of(silo.dsn)) as reader:
        history.log = read_log(reader)
    return oracle.check(history)


async def test_three_replicas_that_die_and_pause_before_their_checkpoint_count_exactly(
    kind: Kind, silo: Silo, consumer: Consumer
) -> None:
    """The paused one wakes as a zombie: its heir has done its work, the fence undoes its own."""
    async with replicas(consumer.dsn, silo, 3) as team:
        for turn in range(ROUNDS):
            gate = kind.announcement(f"gates/{turn}")
            await silo.announce(kind.announcement(), gate, kind.announcement())
            victim = await team.next_at_gate()
            is_killed = turn % 2 == 0
            (victim.kill if is_killed else victim.pause)()
            consumer.expire_lease()
            heir = await team.next_at_gate()
            assert heir is not victim
            heir.pass_on()
            await consumer.until_at(3 * turn + 3)
            if is_killed:
                team.add()
            else:
                victim.pass_on()
                victim.resume()
        await consumer.until_at(3 * ROUNDS)
    assert violations(silo, consumer) == []
    assert len(consumer.ledger()) == 3 * ROUNDS
    assert consumer.one("SELECT lease_term FROM consumer_checkpoint") > ROUNDS
