"""A backlog goes in one go, whatever the sizes of its transactions: nobody has to wake anybody."""

from __future__ import annotations

import asyncio

import psycopg

from chassis.event_log import BATCH, Sequencer
from chassis.event_log_signals import Signal
from tests.support.waiting import until

SEVEN = """
INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)
SELECT gen_random_uuid(), 'Changed', 'subjects/' || %s, number, '{silo:ems}', ''
  FROM generate_series(1, 7) number
"""


class Unheard(Signal):
    """Wakes nobody, not even after a while."""

    async def wait(self, _seconds: float = 0.0) -> bool:
        await asyncio.Event().wait()
        return False


async def test_one_look_empties_an_outbox_whose_transactions_do_not_fill_a_batch(
    hospital_database: str,
) -> None:
    assert BATCH % 7  # a batch is never full then
    with psycopg.connect(hospital_database, autocommit=True) as writer:
        for number in range(100):
            writer.execute(SEVEN, [number])
        sequencer = Sequencer(hospital_database, lambda: None)
        sequencer.signal = Unheard()
        running = asyncio.create_task(sequencer.run())

        async def empty() -> bool:
            return writer.execute("SELECT count(*) FROM outbox").fetchone() == (0,)

        try:
            await until(empty)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)  # it closes its connection
