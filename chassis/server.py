"""Runs one silo's process: what its composition root made, behind guards, health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import grpc

from chassis import health, reflection, stopping, telemetry
from chassis.admin import Admin
from chassis.availability import Availability
from chassis.channels import SERVER
from chassis.clock import Clock, utc_now
from chassis.errors import Refusal
from chassis.interceptors import (
    access,
    availability,
    consistency,
    deadlines,
    errors,
    idempotency,
    logging,
    tracing,
    validation,
)
from chassis.interceptors.guards import Context, Guard, GuardedServer
from chassis.interceptors.statuses import code
from chassis.pool import Pool, pool
from chassis.settings import SiloSettings
from chassis.standby import Standby
from chassis.timers import Timer, Timers
from chassis.unit_of_work import Database
from chassis.within import end

POOL_SIZE = 24  # three processes of a silo fit into max_connections = 100
POOL_READY = 16  # a pool grows one by one: a burst beyond these may wait for too long
LATE_SECONDS = 5.0  # that the runtime may take beyond its grace
GRACE_SECONDS = 15.0
NOTICE_SECONDS = 0.5  # between NOT_SERVING and the end of new calls


class CannotListen(Exception):
    """The address is taken, or not this machine's."""


class Part(Protocol):
    """A piece of a process with a life of its own: publishing, a following, timers."""

    async def start(self) -> None:
        """Begin, without waiting for a database that may be away."""

    def drain(self) -> None:
        """Let what is open end well, soon."""

    async def stop(self) -> None:
        """End everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a composition root is given. ``draining`` is set when open streams are to end."""

    settings: SiloSettings
    pool: Pool
    clock: Clock
    draining: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silo:
    """What a composition root makes; ``add_to`` registers its servicers where it is told to."""

    add_to: Sequence[Callable[[Any], None]]
    authenticate: access.Authenticate
    database: Database
    timers: Sequence[Timer] = ()
    parts: Sequence[Part] = ()
    log_position: Callable[[], int] = lambda: 0  # of the newest event
    guards: Sequence[Guard] = ()  # around the one that lets callers in


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which silo a process is, the oldest schema its code runs on, and how it is put together."""

    name: str
    revision: str
    compose: Callable[[Kit], Silo]


class Process:
    """One silo, from its first listening to its last answer."""

    def __init__(self, build: Build, settings: SiloSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._name = build.name
        self.served_by = f"{build.name}/{uuid4().hex[:12]}"
        self._pool = pool(settings.database, size=POOL_SIZE, ready=POOL_READY, name=build.name)
        self._kit = Kit(settings=settings, pool=self._pool, clock=clock)
        self._silo = build.compose(self._kit)
        self._availability = Availability(settings.database, build.revision)
        self._standby = Standby(self._pool) if settings.serves == "reads" else None
        timers = Timers(self._silo.timers, self._silo.database, clock, self._is_up)
        # On a standby nothing of a silo's own life can be written: the primary's processes do that.
        life: Sequence[Part] = [] if self._standby else [*self._silo.parts, timers]
        self.admin = Admin(settings.admin)
        self._parts: list[Part] = [self.admin, *life]
        self._server = grpc.aio.server(options=SERVER)
        self._guarded = GuardedServer(self._server, self._guards())
        self._health = self._serve_everything()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen. Health says NOT_SERVING until the database answers with a schema new enough.

        Raises CannotListen.
        """
        try:
            self.port = self._server.add_insecure_port(self._settings.listen)
        except RuntimeError:
            raise CannotListen(self._settings.listen) from None
        await self._pool.open(wait=False)
        self._availability.hear_loss(self._drain_pool)
        if self._standby is not None:
            self._availability.hear_loss(self._standby.forget)
        await self._server.start()
        self._background(self._availability.watch())
        self._background(self._follow_health())
        for part in self._parts:
            await part.start()
        telemetry.log.info("listening", address=self._settings.listen, port=self.port)

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Drain: refuse what is new, let what is open end, then end it after ``grace`` seconds.

        Streams hear of it, and have less time to end: see ``chassis.stopping``.
        """
        telemetry.log.info("draining")
        await self._health.drain()
        self._kit.draining.set()
        for part in self._parts:
            part.drain()
        await asyncio.sleep(min(NOTICE_SECONDS, grace))
        await self._health.close()
        ending = stopping.stop(self._server, grace, lambda: self._guarded.calls)
        stopped = asyncio.ensure_future(ending)
        if (await asyncio.wait({stopped}, timeout=grace + LATE_SECONDS))[1]:
            telemetry.log.warning("server_not_stopped")  # what it still holds ends with the process
        for part in reversed(self._parts):
            await part.stop()
        await end(tuple(self._tasks))
        await self._pool.close()
        telemetry.log.info("stopped")

    def _serve_everything(self) -> health.Health:
        guarded = self._guarded
        for add_to in self._silo.add_to:
            add_to(guarded)
        validation.warm_up(guarded.services)
        if self._settings.reflection != "off":
            described = reflection.describing(guarded.services)
            is_open = self._settings.reflection == "open"
            reflection.add(self._server, described, reflection.anybody if is_open else self._admit)
        added = health.add(self._server, guarded.services, self._silo.log_position)
        self._server.add_generic_rpc_handlers((errors.Unserved(self._name, self.served_by),))
        return added

    def _guards(self) -> list[Guard]:
        return [
            errors.guard(self._name, self.served_by, self._lost_one, self._availability.confirmed),
            *tracing.guards(self._name),
            logging.guard(self._name),
            deadlines.guard,
            availability.guard(self._name, self._availability),
            consistency.guard(self._name, self._standby),
            *(() if self._standby else self._silo.guards),
            access.guard(self._silo.authenticate),
            validation.guard,
            idempotency.guard(self._settings.key_encryption_key),
        ]

    def _lost_one(self) -> None:
        """Take one lost connection for all: the pool would hand out each of the dead ones."""
        self._availability.suspect()
        self._drain_pool()

    def _drain_pool(self) -> None:
        self._background(self._pool.drain())

    def _is_up(self) -> bool:
        return self._availability.is_up

    async def _admit(self, context: Context) -> None:
        """Let whoever holds a token of this silo read its contract."""
        try:
            await self._silo.authenticate(access.bearer(context))
        except Refusal as refusal:
            await context.abort(code(refusal), refusal.text)

    async def _follow_health(self) -> None:
        async for is_up in self._availability.changes():
            await self._health.turn(serving=is_up)

    def _background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            telemetry.fault(error, task=task.get_name())
