"""Follows the silos' health, and tells it on: the router itself serves whatever they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import telemetry
from chassis.clock import utc_now
from chassis.health import LOG_POSITION, NOT_SERVING, SERVING, Health
from router.backends import Backend
from router.routes import Route

EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
# With no call answered meanwhile; hence a stopped silo holds a caller for 3 s at most.
SILENT_PROBES = 2
_SILENT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one replica said of itself, and how soon."""

    statuses: Mapping[str, int] = field(default_factory=dict)
    latency_s: float | None = None
    event_position: int = 0

    @property
    def serving(self) -> bool:
        return bool(self.statuses.get("") == SERVING)


@dataclass(slots=True)
class Seen:
    """What the latest probe of a silo brought: the best of what its replicas said."""

    reachable: bool = False
    statuses: Mapping[str, int] = field(default_factory=dict)
    latency_s: float | None = None
    answered_at: datetime | None = None
    serving_replicas: int = 0
    event_position: int = 0  # of the silo's log; its replicas share one

    def status(self, name: str) -> int:
        """Return what the silo says of ``name``, or of itself if it does not know the name."""
        return self.statuses.get(name, self.statuses.get("", NOT_SERVING))

    @property
    def serving(self) -> bool:
        return bool(self.status("") == SERVING)


class Monitor:
    """Probes a silo's replicas every second; passes the best word on, under its services' names."""

    def __init__(self, backend: Backend, routes: Iterable[Route], health: Health) -> None:
        self.seen = Seen()
        self._backend, self._health = backend, health
        self._stubs = [health_pb2_grpc.HealthStub(each) for each in backend.probes]
        self._silent = 0
        served = [route for route in routes if route.silo == backend.silo]
        self._names = {route.package for route in served} | {
            route.method.service for route in served
        }
        self._told: dict[str, int] = {}

    async def run(self) -> None:
        """Probe until cancelled; a probe that took all its time is followed by the next at once."""
        while True:
            begun = time.monotonic()
            await self.probe()
            await asyncio.sleep(max(0.0, begun + EVERY_SECONDS - time.monotonic()))

    async def probe(self) -> None:
        """Ask every replica once; only the silence of all counts, and a return is noticed."""
        before, answered = self._summary(), self._backend.breaker.answered
        answers = await asyncio.gather(*(_ask(stub) for stub in self._stubs))
        # A busy machine is late with both, but a silo that answers calls is not silent.
        spoke = self._backend.breaker.answered > answered
        self._note([each for each in answers if each is not None], spoke=spoke)
        after = self._summary()
        if after != before:
            telemetry.log.info("silo", silo=self._backend.name, **after)
            if after["reachable"] > before["reachable"] or after["serving"] > before["serving"]:
                self._backend.breaker.revived()
        await self._tell()

    def _note(self, answers: Sequence[Answer], *, spoke: bool) -> None:
        seen, self._silent = self.seen, 0 if answers or spoke else self._silent + 1
        seen.reachable = bool(answers)
        best = max(answers, key=lambda each: each.serving, default=Answer())
        seen.statuses = best.statuses
        seen.serving_replicas = sum(each.serving for each in answers)
        if answers:
            seen.latency_s, seen.answered_at = best.latency_s, utc_now()
            told = max(each.event_position for each in answers)
            seen.event_position = told or seen.event_position  # it has not looked yet
        elif self._silent >= SILENT_PROBES:
            self._backend.give_up()

    def _summary(self) -> dict[str, Any]:
        return {
            "reachable": self.seen.reachable,
            "serving": self.seen.serving,
            "replicas": self.seen.serving_replicas,
        }

    async def _tell(self) -> None:
        for name in self._names:
            status = self.seen.status(name)
            if self._told.get(name) != status:
                self._told[name] = status
                await self._health.set(name, status)


async def _ask(stub: health_pb2_grpc.HealthStub) -> Answer | None:
    """Return what a replica says, or None for its silence."""
    begun = time.monotonic()
    try:
        calling = stub.List(health_pb2.HealthListRequest(), timeout=PATIENCE_SECONDS)
        answer, trailers = await calling, dict(await calling.trailing_metadata() or ())
    except grpc.aio.AioRpcError as error:
        return None if error.code() in _SILENT else Answer()
    statuses = {name: each.status for name, each in answer.statuses.items()}
    position = str(trailers.get(LOG_POSITION, ""))
    latency = time.monotonic() - begun
    return Answer(statuses, latency, int(position) if position.isdecimal() else 0)
