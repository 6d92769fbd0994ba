"""A sweep that fails is reported for what it is, and the timer goes on."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from chassis.clock import Clock, utc_now
from chassis.errors import Unavailable
from chassis.timers import Timers, every
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
