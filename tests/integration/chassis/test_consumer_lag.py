"""The lag that alarms are made of is told whether or not the consumer moves.

Proves: what stands falls behind, in positions and in seconds, by its source's log alone; what it
does not follow is no lag in time; and the gauges say so of parked events too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from prometheus_client import REGISTRY

from chassis import channels
from chassis import event_log_metrics as metrics
from chassis.consumer_lag import Lag
from chassis.projection import Following
from tests.support.databases import Databases
from tests.support.event_consumers import Consumer, consuming, outage, until
from tests.support.event_logs import lay
from tests.support.event_streams import Silo, serving, until_head
from tests.support.silo_logs import HOSPITAL, signing_key

CHECKPOINT = "INSERT INTO consumer_checkpoint (consumer, source) VALUES ('ems', 'hospital')"
AT = "UPDATE consumer_checkpoint SET position = %s, resume_token = %s"
PARK = """
INSERT INTO consumer_dead_letter
       (consumer, source, epoch, position, subject, type, event, reason, attempts)
VALUES ('ems', 'hospital', 1, %s, 'trips/1', 'T', '', 'R', 5)
"""


@dataclass
class Measured:
    """A consumer that never moves by itself, and the gauges that tell of it."""

    silo: Silo
    consumer: Consumer

    def start(self, *types: str) -> None:
        following = Following(
            source="hospital",
            consumer="ems",
            file=HOSPITAL.file,
            projects=[],
            types=types,
        )
        address = f"127.0.0.1:{self.silo.port}"
        connect, database = (lambda: channels.channel(address)), self.consumer.database
        lag = Lag(following, database, connect, lambda: "a token", 0.02)
        self.consumer.stack.push_async_callback(lag.stop)
        lag.start()

    def gauge(self, name: str) -> float:
        labels = {"consumer": "ems", "source": "hospital"}
        return REGISTRY.get_sample_value(f"medport_{name}", labels) or 0.0

    async def until(self, name: str, value: float) -> None:
        await until(lambda: self.gauge(name) == value)


@pytest.fixture
async def measured(plain_database: str) -> AsyncIterator[Measured]:
    dsn = lay(plain_database)
    for gauge in (metrics.LAG_POSITIONS, metrics.LAG_SECONDS, metrics.POSITION, metrics.PARKED):
        gauge.clear()  # of another test of this process
    async with serving(dsn) as silo, consuming(dsn) as consumer:
        consumer.admin.execute(CHECKPOINT)
        yield Measured(silo, consumer)


async def test_what_stands_falls_behind(measured: Measured) -> None:
    measured.start()
    await measured.silo.announce(HOSPITAL.announcement(), HOSPITAL.announcement())
    await measured.until("consumer_lag_positions", 2)
    await until(lambda: measured.gauge("consumer_lag_seconds") > 0.2)

    state = await until_head(measured.silo, 2)
    measured.consumer.admin.execute(AT, [2, state.head_token])
    await measured.until("consumer_lag_positions", 0)
    await measured.until("consumer_lag_seconds", 0)
    await measured.until("consumer_position", 2)


async def test_what_is_not_followed_is_no_lag_in_time(measured: Measured) -> None:
    measured.start("medport.hospital.events.v1.FacilityChanged")
    await measured.silo.announce(HOSPITAL.announcement())
    after_the_followed = await until_head(measured.silo, 1)
    await measured.silo.announce(signing_key(HOSPITAL))
    await measured.until("consumer_lag_positions", 2)
    await until(lambda: measured.gauge("consumer_lag_seconds") > 0)

    measured.consumer.admin.execute(AT, [1, after_the_followed.head_token])
    await measured.until("consumer_lag_positions", 1)
    await measured.until("consumer_lag_seconds", 0)


async def test_an_outstanding_event_grows_older_while_its_source_is_away(
    measured: Measured,
) -> None:
    measured.start()
    await measured.silo.announce(HOSPITAL.announcement())
    await until(lambda: measured.gauge("consumer_lag_seconds") > 0)
    await measured.silo.server.stop(None)
    before = measured.gauge("consumer_lag_seconds")
    await until(lambda: measured.gauge("consumer_lag_seconds") > before + 0.2)


async def test_a_consumer_whose_database_is_away_falls_behind_all_the_same(
    measured: Measured, databases: Databases
) -> None:
    """It stood at the head when it was last seen: what comes from then on has no effect there."""
    with databases.fresh("hospital", migrated=False) as dsn:
        async with consuming(lay(dsn)) as elsewhere:
            elsewhere.admin.execute(CHECKPOINT)
            measured.consumer = elsewhere
            measured.start()
            await measured.silo.announce(HOSPITAL.announcement())
            state = await until_head(measured.silo, 1)
            elsewhere.admin.execute(AT, [1, state.head_token])
            await measured.until("consumer_position", 1)
            await measured.until("consumer_lag_positions", 0)
            async with outage(dsn):
                await measured.silo.announce(HOSPITAL.announcement())
                await measured.until("consumer_lag_positions", 1)
                await until(lambda: measured.gauge("consumer_lag_seconds") > 0.2)


async def test_parked_events_are_counted(measured: Measured) -> None:
    measured.start()
    for position in (1, 2):
        measured.consumer.admin.execute(PARK, [position])
    await measured.until("parked_events", 2)
