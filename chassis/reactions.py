"""What is due at a moment, and happens once: soon after it, whatever was down meanwhile.

Nothing is remembered but the rows. A look lists what is due, or will be before the next look; each
thing then happens in a unit of work of its own, which holds the row and asks the rule again. So
any number of processes may look, and one that comes late finds that it has been done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from prometheus_client import Counter, Histogram

from chassis import telemetry, tracing
from chassis.backoff import Backoff, around
from chassis.clock import Clock
from chassis.dead_letter import why
from chassis.sql import written
from chassis.sqlstates import is_passing
from chassis.tracing import Kind
from chassis.unit_of_work import Database, UnitOfWork
from chassis.within import within

Key = TypeVar("Key", bound=Hashable)

PERIOD_SECONDS = 0.5  # what becomes due without having been listed waits no longer
AT_ONCE = 100
TOGETHER = 4  # of the pool's connections; the rest are the callers'
BUSY_SECONDS = 0.4
HUNG_SECONDS = 5.0  # of a server that has stopped answering
BROKEN_SECONDS = 60.0

_LABEL = ["timer"]
LATENESS = Histogram(
    "medport_timer_lateness_seconds",
    "Time from when something was due until it had happened",
    _LABEL,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 15, 60, 600),
)
FIRED = Counter("medport_timer_fired_total", "Things that happened because they were due", _LABEL)
MOVED_ON = Counter(
    "medport_timer_skipped_total",
    "Things that were not due any more, once their row was held",
    _LABEL,
)

# One thing that waits for somebody must not make the others late.
_BOUND = written(
    "SELECT set_config('lock_timeout', '250ms', true), set_config('statement_timeout', '2s', true)"
)


class Outcome(Enum):
    DONE = auto()
    MOVED_ON = auto()
    BUSY = auto()  # somebody else holds the row, and may be deciding: look again
    BROKEN = auto()  # a mistake of the code, which has been reported


@dataclass(frozen=True, slots=True)
class Due(Generic[Key]):
    """Something that may happen from ``at`` on; ``key`` finds its row among its tenant's."""

    tenant: UUID | None
    key: Key
    at: datetime


class Reacting(Protocol[Key]):
    """A silo's rule about something that has a due time."""

    @property
    def name(self) -> str:
        """Return what logs and metrics call it."""

    async def coming(
        self, database: Database, *, until: datetime, fetch: int
    ) -> Sequence[Due[Key]]:
        """List what may happen by ``until``, the oldest first, in one statement for all tenants."""

    async def react(self, uow: UnitOfWork, due: Due[Key], clock: Clock) -> Outcome:
        """Take the row, unless somebody holds it, ask the rule again, and do it."""


@dataclass(slots=True)
class _Rest:
    """When to try something again that was held by somebody, or that fails."""

    backoff: Backoff
    until: float = 0.0


class Reaction(Generic[Key]):
    """A timer that sleeps until the next thing is due, or at most its period.

    It looks at once when ``woken`` is set: then more may be due than before.
    """

    seconds = PERIOD_SECONDS

    def __init__(self, reacting: Reacting[Key], woken: asyncio.Event | None = None) -> None:
        self.name = reacting.name
        self._reacting = reacting
        self._woken = woken or asyncio.Event()
        self._resting: dict[Key, _Rest] = {}

    async def rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def turn(self, database: Database, clock: Clock) -> float:
        """Let happen what is due; return the seconds until something else will be."""
        now, fetch = clock(), AT_ONCE + len(self._resting)
        period = around(PERIOD_SECONDS, 0.1)
        until = now + timedelta(seconds=period)
        listing = self._reacting.coming(database, until=until, fetch=fetch)
        coming = await within(HUNG_SECONDS, listing)
        self._forget({each.key for each in coming})
        due = [each for each in coming if each.at <= now and not self._is_resting(each)]
        await self._let_happen(due, database, clock)
        if due and len(coming) == fetch:
            return 0.0  # there is more than fits into one look
        soon = [(each.at - clock()).total_seconds() for each in coming if each.at > now]
        again = [rest.until - time.monotonic() for rest in self._resting.values()]
        return max(min(period, *soon, *again), 0.0) if soon or again else period

    async def _let_happen(self, due: Sequence[Due[Key]], database: Database, clock: Clock) -> None:
        """Try each, a few at a time; what somebody holds, or what fails, is tried again later."""
        gate = asyncio.Semaphore(TOGETHER)

        async def attempt(each: Due[Key]) -> Outcome:
            async with gate:
                return await self._attempt(each, database, clock)

        outcomes = await asyncio.gather(*(attempt(each) for each in due))
        for each, outcome in zip(due, outcomes, strict=True):
            self._note(each, outcome)
        if done := outcomes.count(Outcome.DONE):
            telemetry.log.info("reacted", timer=self.name, done=done)

    async def _attempt(self, due: Due[Key], database: Database, clock: Clock) -> Outcome:
        try:
            outcome = await within(HUNG_SECONDS, self._react(due, database, clock))
        except Exception as error:  # noqa: BLE001 - one that fails must not hold up the others
            if is_passing(error) or isinstance(error, TimeoutError):
                telemetry.log.warning("reaction_postponed", timer=self.name, why=why(error))
                return Outcome.BUSY
            telemetry.fault(error, timer=self.name)
            return Outcome.BROKEN
        if outcome is Outcome.DONE:
            LATENESS.labels(self.name).observe(max((clock() - due.at).total_seconds(), 0))
        return outcome

    async def _react(self, due: Due[Key], database: Database, clock: Clock) -> Outcome:
        with tracing.following("", f"timer {self.name}", Kind.INTERNAL) as span:
            async with database.begin(due.tenant) as uow:
                await uow.execute(_BOUND)
                outcome = await self._reacting.react(uow, due, clock)
            span.note({"medport.outcome": outcome.name})
            return outcome

    def _note(self, due: Due[Key], outcome: Outcome) -> None:
        if outcome in {Outcome.DONE, Outcome.MOVED_ON}:
            self._resting.pop(due.key, None)
        match outcome:
            case Outcome.DONE:
                FIRED.labels(self.name).inc()
            case Outcome.MOVED_ON:
                MOVED_ON.labels(self.name).inc()
            case Outcome.BUSY:
                self._let_rest(due, BUSY_SECONDS)
            case Outcome.BROKEN:
                self._let_rest(due, BROKEN_SECONDS)

    def _let_rest(self, due: Due[Key], most: float) -> None:
        rest = self._resting.setdefault(due.key, _Rest(Backoff(BUSY_SECONDS, most)))
        rest.until = time.monotonic() + rest.backoff.next()

    def _is_resting(self, due: Due[Key]) -> bool:
        rest = self._resting.get(due.key)
        return rest is not None and rest.until > time.monotonic()

    def _forget(self, listed: set[Key]) -> None:
        """Keep no memory of what is not waiting any more."""
        for key in self._resting.keys() - listed:
            del self._resting[key]
