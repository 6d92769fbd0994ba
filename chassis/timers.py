"""What the clock makes a silo do, again and again, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chassis import telemetry, tracing
from chassis.backoff import around
from chassis.clock import Clock
from chassis.dead_letter import why
from chassis.sqlstates import is_passing
from chassis.tracing import Kind
from chassis.unit_of_work import Database
from chassis.within import end

Sweep = Callable[[Database, Clock], Awaitable[int]]

JITTER = 0.1  # replicas then look apart
REST_SECONDS = 0.5
AGAIN_SECONDS = 30  # at most, after a turn that failed: what erases patients' data runs by the hour


class Timer(Protocol):
    """Something to do in turns: a sweep at its period, or a reaction at its due times."""

    @property
    def name(self) -> str:
        """Return what logs and metrics call it."""

    @property
    def seconds(self) -> float:
        """Return how long it rests at most."""

    async def turn(self, database: Database, clock: Clock) -> float:
        """Do what is to be done by now; return the seconds to rest until the next turn."""

    async def rest(self, seconds: float) -> None:
        """Return after ``seconds``, or sooner when something has changed."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """A sweep and its period; the sweep returns how many things it changed."""

    seconds: float
    sweep: Sweep

    @property
    def name(self) -> str:
        return f"{self.sweep.__module__}.{getattr(self.sweep, '__name__', 'sweep')}"

    async def turn(self, database: Database, clock: Clock) -> float:
        with tracing.following("", f"timer {self.name}", Kind.INTERNAL) as span:
            changed = await self.sweep(database, clock)
            if changed:
                span.note({"medport.changed": changed})
        if changed:
            telemetry.log.info("sweep", timer=self.name, changed=changed)
        return around(self.seconds, JITTER)

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def every(seconds: float, sweep: Sweep) -> Timer:
    """Run ``sweep`` about every ``seconds``, each tenant in a unit of work of its own."""
    return Periodic(seconds, sweep)


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
        """Nothing waits for a timer: a turn under way ends with its transactions."""

    async def stop(self) -> None:
        await end(self._tasks)

    async def _run(self, timer: Timer) -> None:
        """Take a turn once the database is there, and then whenever the timer asks for one."""
        while True:
            if self._is_up():
                await timer.rest(await self._turn(timer))
            else:
                await asyncio.sleep(around(REST_SECONDS, JITTER))

    async def _turn(self, timer: Timer) -> float:
        """Take a turn; a failure is reported, and what was to do is found again soon."""
        try:
            return await timer.turn(self._database, self._clock)
        except Exception as error:  # noqa: BLE001 - one bad turn must not end the ones to come
            # A silo without its database is no mistake of the code.
            if is_passing(error) or isinstance(error, TimeoutError):
                telemetry.log.warning("timer_postponed", timer=timer.name, why=why(error))
            else:
                telemetry.fault(error, timer=timer.name)
            return around(min(timer.seconds, AGAIN_SECONDS), JITTER)
