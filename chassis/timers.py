"""What the clock makes a silo do: sweeps, again and again, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chassis import telemetry
from chassis.backoff import around
from chassis.clock import Clock
from chassis.dead_letter import why
from chassis.sqlstates import is_passing
from chassis.unit_of_work import Database

Sweep = Callable[[Database, Clock], Awaitable[int]]

JITTER = 0.1  # replicas then sweep apart
REST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Timer:
    """A sweep and its period; the sweep returns how many things it changed."""

    seconds: float
    sweep: Sweep


def every(seconds: float, sweep: Sweep) -> Timer:
    """Run ``sweep`` about every ``seconds``, each tenant in a unit of work of its own."""
    return Timer(seconds, sweep)


class Timers:
    """A silo's timers as a part of its process; they rest while the database is away."""

    def __init__(
        self, timers: Sequence[Timer], database: Database, clock: Clock, is_up: Callable[[], bool]
    ) -> None:
        self._timers = timers
        self._database = database
        self._clock = clock
        self._is_up = is_up
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(timer)) for timer in self._timers]

    def drain(self) -> None:
        """Nothing waits for a timer: a sweep under way ends with its transaction."""

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, timer: Timer) -> None:
        """Sweep once the database is there, then at every period."""
        while True:
            if self._is_up():
                await self._sweep(timer)
                await asyncio.sleep(around(timer.seconds, JITTER))
            else:
                await asyncio.sleep(around(REST_SECONDS, JITTER))

    async def _sweep(self, timer: Timer) -> None:
        """Sweep; a failure is reported, and what was to do is found again at the next turn."""
        try:
            changed = await timer.sweep(self._database, self._clock)
        except Exception as error:  # noqa: BLE001 - one bad sweep must not end the ones to come
            if is_passing(error):  # a silo without its database is no mistake of the code
                telemetry.log.warning("sweep_postponed", timer=_name(timer), why=why(error))
            else:
                telemetry.fault(error, timer=_name(timer))
            return
        if changed:
            telemetry.log.info("sweep", timer=_name(timer), changed=changed)


def _name(timer: Timer) -> str:
    return f"{timer.sweep.__module__}.{getattr(timer.sweep, '__name__', 'sweep')}"
