"""A sweep that fails is reported for what it is, and the timer goes on, soon."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from chassis.clock import Clock, utc_now
from chassis.errors import Unavailable
from chassis.timers import AGAIN_SECONDS, JITTER, Timers, every
from chassis.unit_of_work import Database


@pytest.mark.parametrize(
    ("failure", "event", "level"),
    [
        (Unavailable("its database is away"), "timer_postponed", "warning"),
        (KeyError("a mistake"), "fault", "error"),
    ],
)
async def test_a_database_that_is_away_is_no_fault(
    failure: Exception, event: str, level: str
) -> None:
    twice = asyncio.Event()
    turns: list[int] = []

    async def sweep(_: Database, __: Clock) -> int:
        turns.append(1)
        if len(turns) > 1:
            twice.set()
        raise failure

    nowhere = cast("Any", None)  # the sweep asks nothing of its database
    timers = Timers([every(0.001, sweep)], nowhere, utc_now, lambda: True)
    with capture_logs() as logs:
        await timers.start()
        await asyncio.wait_for(twice.wait(), 10)
        await timers.stop()
    assert (logs[0]["event"], logs[0]["log_level"]) == (event, level)


@dataclass
class Hourly:
    """A timer that fails once, and tells what rests it was given."""

    rests: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    name: str = "hourly"
    seconds: float = 3600
    failed: bool = False

    async def turn(self, database: Database, clock: Clock) -> float:  # noqa: ARG002 - the protocol's
        if not self.failed:
            self.failed = True
            raise Unavailable("its database is away")
        return self.seconds

    async def rest(self, seconds: float) -> None:
        await self.rests.put(seconds)
        if seconds >= self.seconds:
            await asyncio.Event().wait()


async def test_a_turn_that_failed_is_taken_again_before_its_hour_is_over() -> None:
    hourly, nowhere = Hourly(), cast("Any", None)
    timers = Timers([hourly], nowhere, utc_now, lambda: True)
    await timers.start()
    rests = [await asyncio.wait_for(hourly.rests.get(), 10) for _ in range(2)]
    await timers.stop()
    assert rests[0] <= AGAIN_SECONDS * (1 + JITTER)
    assert rests[1] == hourly.seconds
