"""Follows the silos' health, and tells it on: the router itself serves whatever they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import telemetry
from chassis.clock import utc_now
from chassis.health import NOT_SERVING, SERVING, Health
from router.backends import Backend
from router.routes import Route

EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
_SILENT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@dataclass(slots=True)
class Seen:
    """What the latest probe of a silo brought."""

    reachable: bool = False
    statuses: Mapping[str, int] = field(default_factory=dict)
    latency_s: float | None = None
    answered_at: datetime | None = None

    def status(self, name: str) -> int:
        """Return what the silo says of ``name``, or of itself if it does not know the name."""
        return self.statuses.get(name, self.statuses.get("", NOT_SERVING))

    @property
    def serving(self) -> bool:
        return bool(self.status("") == SERVING)


class Monitor:
    """Probes one silo every second and passes its word on under the names of its services."""

    def __init__(self, backend: Backend, routes: Iterable[Route], health: Health) -> None:
        self.seen = Seen()
        self._backend, self._health = backend, health
        self._stub = health_pb2_grpc.HealthStub(backend.side)
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
        """Ask the silo once; only its silence counts against it, and its return is noticed."""
        begun, was_reachable, before = time.monotonic(), self.seen.reachable, self._summary()
        self.seen.reachable, self.seen.statuses = await self._ask()
        if self.seen.reachable:
            self.seen.latency_s = time.monotonic() - begun
            self.seen.answered_at = utc_now()
            if not was_reachable:
                self._backend.breaker.revived()
        else:
            self._backend.breaker.failed()
        if self._summary() != before:
            telemetry.log.info("silo", silo=self._backend.silo, **self._summary())
        await self._tell()

    def _summary(self) -> dict[str, Any]:
        return {"reachable": self.seen.reachable, "serving": self.seen.serving}

    async def _ask(self) -> tuple[bool, dict[str, int]]:
        request = health_pb2.HealthListRequest()
        try:
            answer = await self._stub.List(request, timeout=PATIENCE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code() not in _SILENT, {}
        return True, {name: each.status for name, each in answer.statuses.items()}

    async def _tell(self) -> None:
        for name in self._names:
            status = self.seen.status(name)
            if self._told.get(name) != status:
                self._told[name] = status
                await self._health.set(name, status)
