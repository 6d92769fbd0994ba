"""Runs one following in this process: competes for its lease, follows, and comes back for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar
from uuid import uuid4

import grpc

from chassis import checkpoint, telemetry
from chassis import event_log_metrics as metrics
from chassis.backoff import Backoff, around
from chassis.checkpoint import Checkpoint, Fenced, Lease, Place, State
from chassis.clock import instant
from chassis.dead_letter import why
from chassis.event_log_connections import Tasks
from chassis.projection import Following
from chassis.projection_effects import Effects, Halted, Lost
from chassis.projection_feed import Connect, Feed, Interrupted, Token, reason_of
from chassis.projection_progress import Progress
from chassis.projection_rebuild import Rebuilding
from chassis.sqlstates import is_passing
from chassis.unit_of_work import Database
from chassis.within import end, within

COMPETE_SECONDS = 2.0
RENEW_SECONDS = 2.0
REPORT_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
MOST_WAIT_SECONDS = 5.0
RELEASE_SECONDS = 2.0

# Answers that no repetition changes: an operator decides (events.md, section 12).
_HALTS = {
    "RESUME_POINT_COMPACTED",
    "LOG_TRUNCATED",
    "POSITION_AHEAD_OF_LOG",
    "LOG_MISMATCH",
    "INVALID_RESUME_TOKEN",
    "EVENT_TYPE_FORBIDDEN",
}

# Of these, the ones that say: some of what follows the checkpoint is nowhere any more.
_LOST = {"RESUME_POINT_COMPACTED", "LOG_TRUNCATED"}

Result = TypeVar("Result")


class Follower:
    """One process's part in a following; any number of processes may compete for it.

    ``connect`` opens channels to the source, ``token`` makes a bearer token for it.
    """

    def __init__(
        self, following: Following, database: Database, connect: Connect, token: Token
    ) -> None:
        self._following = following
        self._database = database
        self._feed = Feed(following, connect, token)
        self._holder = uuid4().hex
        self._labels = (following.consumer, following.source)
        self._tasks = Tasks()
        self._place: Place | None = None

    def start(self) -> None:
        self._tasks.start(f"follow {self._following.source}", self.run)

    async def stop(self) -> None:
        """Stop, and leave the lease to others at once if the database still answers."""
        await self._tasks.stop()

    async def run(self) -> None:
        """Compete for the lease, and follow while it lasts; until cancelled."""
        while True:
            held = await self._reached(self._acquire)
            if held is not None:
                metrics.LEASE_CHANGES.labels(*self._labels).inc()
                await self._hold(Lease(*self._labels, self._holder, held.lease_term))
            # Another has it, or a fault ended what ran, and would end it again at once.
            await asyncio.sleep(around(COMPETE_SECONDS, 0.2))

    async def _acquire(self) -> Checkpoint | None:
        async with self._database.begin(None) as uow:
            return await checkpoint.acquire(uow, *self._labels, self._holder)

    async def _hold(self, lease: Lease) -> None:
        """Follow until the lease is another's; what runs is cancelled before it is given back."""
        work = [self._follow(lease), self._renew(lease), self._report()]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(tasks)
            self._show(None)  # it is another process's to tell from now on
            await self._release(lease)

    async def _release(self, lease: Lease) -> None:
        async def release() -> None:
            async with self._database.begin(None) as uow:
                await checkpoint.release(uow, lease)

        try:
            await within(RELEASE_SECONDS, release())
        except Exception as fault:  # noqa: BLE001 - it runs out by itself, only later
            telemetry.log.info("lease_not_released", why=why(fault))

    async def _renew(self, lease: Lease) -> None:
        """Return when the lease is another's. A database that does not answer proves nothing."""

        async def renew() -> bool:
            async with self._database.begin(None) as uow:
                return await checkpoint.renew(uow, lease)

        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not await self._reached(renew):
                return

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if self._place is not None and self._place.resume_token is not None:
                try:
                    await self._feed.report(self._place.resume_token)
                except grpc.aio.AioRpcError as refused:
                    telemetry.log.info("progress_not_reported", reason=reason_of(refused))

    async def _follow(self, lease: Lease) -> None:
        """Follow from the checkpoint, again after every end; return when the lease is lost."""
        backoff = Backoff(0.1, 30.0)
        while True:
            found = await self._reached(self._read)
            if found.lease_term != lease.term:
                return
            self._show(found.state)
            if found.state is State.HALTED:
                await asyncio.sleep(around(COMPETE_SECONDS, 0.2))
                continue
            try:
                wait = await self._once(lease, found, backoff)
            except Fenced:
                continue  # read again whether the lease or only the answer to a commit was lost
            except Lost as lost:
                await self._turn(lease, found.state, State.REBUILDING, lost.reason)
                continue
            except Halted as halted:
                await self._turn(lease, found.state, State.HALTED, halted.reason)
                continue
            await asyncio.sleep(wait)

    def _show(self, state: State | None) -> None:
        metrics.HALTED.labels(*self._labels).set(state is State.HALTED)
        metrics.REBUILDING.labels(*self._labels).set(state is State.REBUILDING)

    async def _read(self) -> Checkpoint:
        return await checkpoint.read(self._database.read(None), *self._labels)

    async def _once(self, lease: Lease, found: Checkpoint, backoff: Backoff) -> float:
        """Follow one stream to its end; return the seconds to wait before the next.

        Raises Fenced, Lost for one that cannot go on, and Halted for an end that an operator has
        to look at.
        """
        began = asyncio.get_running_loop().time()
        try:
            if found.state is State.REBUILDING:
                return await self._rebuild(lease)
            effects = Effects(self._database, self._following, lease, found.place)
            wait, reason = await self._consume(effects, backoff), "ENDED"
        except Interrupted as broken:
            wait, reason = None, broken.reason
        except grpc.aio.AioRpcError as refused:
            wait, reason = None, reason_of(refused)
        except (Fenced, Halted, Lost):
            raise
        except Exception as fault:  # noqa: BLE001 - the loop outlives whatever a frame does to it
            wait, reason = None, why(fault)
            if not is_passing(fault):
                telemetry.fault(fault, consumer=lease.consumer, source=lease.source)
        if reason in _LOST and self._following.rebuild and found.state is State.RUNNING:
            raise Lost(reason)
        if reason in _HALTS:
            raise Halted(self._explained(reason))
        telemetry.log.info("stream_ended", source=lease.source, reason=reason)
        metrics.RECONNECTS.labels(*self._labels, reason).inc()
        if asyncio.get_running_loop().time() - began > HEALTHY_SECONDS:
            backoff.reset()
        return backoff.next() if wait is None else wait

    def _explained(self, reason: str) -> str:
        why_not = self._following.without_log if reason in _LOST else ""
        return f"{reason}: {why_not}" if why_not else reason

    async def _rebuild(self, lease: Lease) -> float:
        """Make the copies anew from one snapshot; what follows it is asked for as ever."""
        rebuilding = Rebuilding(self._database, self._following, lease)
        async with aclosing(self._feed.snapshot()) as frames:
            await rebuilding.run(frames)
        return 0.0

    async def _consume(self, effects: Effects, backoff: Backoff) -> float | None:
        """Apply one stream; return what its StreamEnd asks to wait, None if it said nothing."""
        await effects.load_parked()
        rebuilds = self._following.rebuild is not None
        progress = Progress(effects, self._labels, rebuilds=rebuilds)
        self._place = effects.place
        frames = self._feed.frames(effects.place)
        wait: float | None = None
        try:
            async for frame in frames:
                if frame.WhichOneof("frame") == "stream_end":
                    asked = frame.stream_end.reconnect_duration
                    wait = min(asked.seconds + asked.nanos / 1e9, MOST_WAIT_SECONDS)
                if await progress.take(frame):
                    backoff.reset()
                self._place = effects.place
                if progress.completes(frame):
                    self._following.bookmarked(instant(frame.bookmark.server_time))
        finally:
            await frames.aclose()
        await progress.settle()
        return wait

    async def _turn(self, lease: Lease, state: State, to: State, reason: str) -> None:
        log = telemetry.log.error if to is State.HALTED else telemetry.log.warning
        log(f"consumer_{to.lower()}", consumer=lease.consumer, source=lease.source, reason=reason)

        async def turn() -> None:
            async with self._database.begin(None) as uow:
                await checkpoint.turn(uow, lease, state, to, reason)

        await self._reached(turn)

    async def _reached(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do ``work`` as soon as the database answers."""
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                return await work()
            except Exception as fault:
                if not is_passing(fault):
                    raise
                await asyncio.sleep(backoff.next())


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    await end(tasks, patience=0.5)
    for task in tasks:
        if task.done() and not task.cancelled() and (fault := task.exception()):
            telemetry.fault(fault)
