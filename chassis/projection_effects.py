"""Gives events their effect, together with the checkpoint, and deals with those that have none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

from chassis import call, checkpoint, dead_letter, telemetry
from chassis import event_log_metrics as metrics
from chassis.backoff import Backoff
from chassis.checkpoint import Fenced, Lease, Place, State
from chassis.dead_letter import BEHIND_PARKED, Letter, why
from chassis.event_contract import EventContract
from chassis.projection import Following, Policy, received
from chassis.projection_telling import Telling
from chassis.sql import written
from chassis.sqlstates import is_passing
from chassis.unit_of_work import Database, UnitOfWork

ATTEMPTS = 5
# What a transaction has locked, callers wait for: on a busy machine they stood still for 2 s behind
# a frame of 25 events (measured), and exhausted the pool.
LONG_SECONDS = 0.1

_BOUND = written("SET LOCAL statement_timeout = '5s'")


class Halted(Exception):
    """An operator has to decide; ``reason`` goes into the checkpoint."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Lost(Exception):
    """Some of what follows the checkpoint is nowhere any more, but the source's rows do for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Effects:
    """Applies one consumer's events for as long as its lease lasts.

    ``place`` is where the checkpoint stands. Raises Fenced when another process has moved it, and
    Halted when the policy says so; a lost database is waited for.
    """

    def __init__(
        self, database: Database, following: Following, lease: Lease, place: Place
    ) -> None:
        self._database = database
        self._following = following
        self._contract = EventContract.of(following.file)
        self._lease = lease
        self._parked: set[str] = set()
        self._labels = (following.consumer, following.source)
        self.place = place

    @property
    def has_parked(self) -> bool:
        return bool(self._parked)

    async def load_parked(self) -> None:
        """Learn whose events wait: operators may have discarded the last of a subject."""
        self._parked = await dead_letter.subjects(self._database.read(None), self._lease)

    async def apply(self, events: Sequence[Any], target: Place) -> None:
        """Apply ``events``, all of them behind ``place``, and move the checkpoint to ``target``.

        A frame is one transaction, or several when it takes long. Only what fails is halved until
        the event is found.
        """
        try:
            await self._lasting(events, target)
        except (Fenced, Halted):
            raise
        except Exception as fault:
            if not events:
                raise
            events = [each for each in events if each.placement.position > self.place.position]
            if len(events) == 1:
                await self._insist(events[0], target, fault)
                return
            middle = len(events) // 2
            last = events[middle - 1].placement
            await self.apply(events[:middle], self.place.half_way(last.position, last.epoch))
            await self.apply(events[middle:], target)

    async def retry_parked(self) -> None:
        """Try again, in the order of the log, what an operator has marked."""
        while letter := await dead_letter.next_retry(self._database.read(None), self._lease):
            try:
                telling = Telling(self._labels)
                async with self._begin() as uow:
                    event = self._contract.event.FromString(letter.event)
                    await self._project(uow, event, telling)
                    await dead_letter.resolve(uow, self._lease, letter)
                    await checkpoint.stand(uow, self._lease)
                telling.committed()
            except Fenced:
                raise
            except Exception as fault:
                if is_passing(fault):
                    raise
                await self._park_again(letter, fault)
        await self.load_parked()

    async def check(self) -> None:
        """Raise Fenced if an operator has turned the consumer to something else meanwhile."""
        found = await checkpoint.read(self._database.read(None), *self._labels)
        if found.state is not State.RUNNING:
            raise Fenced

    async def move(self, target: Place) -> None:
        """Note that everything up to ``target`` needs no effect here."""
        await self.apply((), target)

    async def _lasting(self, events: Sequence[Any], target: Place) -> None:
        """Run the transaction until its outcome is the events' own doing, not the database's."""
        backoff = Backoff(0.02, 1.0)
        while True:
            try:
                events = await self._transaction(events, target)
            except Exception as fault:
                if not is_passing(fault):
                    raise
                telemetry.log.warning("effects_postponed", why=why(fault))
                await asyncio.sleep(backoff.next())
            else:
                if not events:
                    return

    async def _transaction(self, events: Sequence[Any], target: Place) -> Sequence[Any]:
        """Apply as much as fits into a short transaction; return what is left."""
        telling = Telling(self._labels)
        with telling.frame(events):
            done = await self._committed(events, target, telling)
        telling.committed()
        return events[done:]

    async def _committed(self, events: Sequence[Any], target: Place, telling: Telling) -> int:
        async with self._begin() as uow:
            until = time.monotonic() + LONG_SECONDS
            done, place = 0, target
            for event, following in pairwise((*events, None)):
                await self._apply_one(uow, event, telling)
                done += 1
                if time.monotonic() > until and following and _is_between(event, following):
                    place = self.place.half_way(event.placement.position, event.placement.epoch)
                    break
            await checkpoint.advance(uow, self._lease, self.place, place)
        self.place = place
        return done

    async def _apply_one(self, uow: UnitOfWork, event: Any, telling: Telling) -> None:
        if event.metadata.subject in self._parked:
            await self._park(uow, event, BEHIND_PARKED, attempts=0)
        else:
            await self._project(uow, event, telling)

    async def _insist(self, event: Any, target: Place, fault: Exception) -> None:
        """Try one event five times in all, for its cause may pass; then park it, or halt."""
        backoff = Backoff(0.1, 2.0)
        for _ in range(ATTEMPTS - 1):
            await asyncio.sleep(backoff.next())
            try:
                await self._lasting([event], target)
            except (Fenced, Halted):
                raise
            except Exception as again:  # noqa: BLE001 - see apply
                fault = again
            else:
                return
        telemetry.fault(
            fault,
            consumer=self._following.consumer,
            source=self._following.source,
            event_type=event.metadata.type,
            position=str(event.placement.position),
        )
        await self._give_up(event, target, why(fault))

    async def _give_up(self, event: Any, target: Place, reason: str) -> None:
        if self._following.policy is Policy.HALT:
            raise Halted(f"{reason} at position {event.placement.position}")
        if not event.metadata.subject:  # what follows of it could not be held back
            raise Halted(f"{reason} at position {event.placement.position}, of nobody knows whom")
        async with self._begin() as uow:
            await self._park(uow, event, reason, ATTEMPTS)
            await checkpoint.advance(uow, self._lease, self.place, target)
        self.place = target
        self._parked.add(event.metadata.subject)

    async def _park(self, uow: UnitOfWork, event: Any, reason: str, attempts: int) -> None:
        letter = Letter(
            epoch=event.placement.epoch,
            position=event.placement.position,
            subject=event.metadata.subject,
            type=event.metadata.type,
            event=event.SerializeToString(),
            reason=reason,
            attempts=attempts,
        )
        await dead_letter.park(uow, self._lease, letter)

    async def _park_again(self, letter: Letter, fault: Exception) -> None:
        failed = replace(letter, reason=why(fault))
        async with self._begin() as uow:
            await dead_letter.fail_again(uow, self._lease, failed, attempts=1)
            await checkpoint.stand(uow, self._lease)

    async def _project(self, uow: UnitOfWork, event: Any, telling: Telling) -> None:
        known = received(event)
        if known is None:  # of a later release of the source: a projector that learns it rebuilds
            metrics.UNKNOWN_EVENTS.labels(*self._labels).inc()
            return
        metadata = known.metadata
        call.follow(call.Cause(metadata.id, metadata.correlation_id, metadata.traceparent))
        try:
            with telling.applying(known):
                for project in self._following.projects:
                    await project(uow, known)
        finally:
            call.follow(None)

    def _begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return opened(self._database, self._following)


@asynccontextmanager
async def opened(database: Database, following: Following) -> AsyncIterator[UnitOfWork]:
    """Open a transaction of ``following``, whose statements are bounded."""
    async with database.begin(None) as uow:
        await following.turn(uow)  # not bounded: no event is to blame for the wait
        await uow.execute(_BOUND)
        yield uow


def _is_between(event: Any, following: Any) -> bool:
    """Tell whether the source's transaction ends here: what it did at once stays together."""
    return bool(following.placement.transaction_first != event.placement.transaction_first)
