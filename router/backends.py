"""One silo as the router reaches it: its channels, its breaker, its share of the router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from chassis import channels
from router import answers
from router.breaker import Breaker, Ticket
from router.bulkhead import Bulkhead
from router.policies import CHANNELS, LIMITS, Limits, service_config
from router.routes import Route


@dataclass(slots=True)
class Leg:
    """One connection to a silo: how busy it is, and what starts a call on it."""

    channel: grpc.aio.Channel
    starts: dict[str, Any] = field(default_factory=dict)
    load: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one call: where to start it, and whom to tell how it went."""

    leg: Leg
    _ticket: Ticket
    _breaker: Breaker

    def answered(self) -> None:
        """Note that the silo spoke; a stream need not end for that."""
        self._breaker.succeeded(self._ticket)

    def ended(self, code: grpc.StatusCode, *, stamped: bool) -> None:
        """Note how the call ended; without the silo's stamp, the transport ended it."""
        if stamped or code in {grpc.StatusCode.OK, grpc.StatusCode.UNIMPLEMENTED}:
            self._breaker.succeeded(self._ticket)
        elif code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED} or (
            code is grpc.StatusCode.DEADLINE_EXCEEDED and self._breaker.is_slow(self._ticket)
        ):
            self._breaker.failed(self._ticket)


class Backend:
    """Long-lived channels: opening one per call is slow, and leaks."""

    def __init__(
        self, silo: str, target: str, routes: Iterable[Route], limits: Limits = LIMITS
    ) -> None:
        self.silo = silo
        self.target = target
        self.breaker = Breaker()
        self.bulkhead = Bulkhead(limits)
        served = [route for route in routes if route.silo == silo]
        options = (*channels.CHANNEL, ("grpc.service_config", service_config(served)))
        # Probes and keys keep off the callers' channels and limits.
        self.side = channels.channel(target)
        self._legs = [_leg(target, options, served) for _ in range(CHANNELS)]

    @asynccontextmanager
    async def lease(self, route: Route) -> AsyncIterator[Lease]:
        """Hold a slot for the length of a call; raises a Refusal when there is none to be had."""
        # The breaker first: it refuses at once, where the bulkhead would wait for a slot.
        ticket = self.breaker.admit(stream=not route.unary)
        if ticket is None:
            raise answers.SiloUnavailable(self.silo)
        try:
            await self._enter(route)
            try:
                leg = min(self._legs, key=lambda each: each.load)
                leg.load += 1
                try:
                    yield Lease(leg, ticket, self.breaker)
                finally:
                    leg.load -= 1
            finally:
                self._leave(route)
        finally:
            self.breaker.leave(ticket)

    async def close(self) -> None:
        for channel in (self.side, *(leg.channel for leg in self._legs)):
            await channel.close()

    async def _enter(self, route: Route) -> None:
        if not route.unary:
            if not self.bulkhead.enter_stream():
                raise answers.SiloBusy(self.silo, "streams")
        elif not await self.bulkhead.enter():
            raise answers.SiloBusy(self.silo, "calls")

    def _leave(self, route: Route) -> None:
        if route.unary:
            self.bulkhead.leave()
        else:
            self.bulkhead.leave_stream()


def _leg(target: str, options: Any, routes: list[Route]) -> Leg:
    leg = Leg(grpc.aio.insecure_channel(target, options=options))
    for route in routes:
        method = route.method
        shape = f"{_count(method.streams_requests)}_{_count(method.streams_answers)}"
        # Without serializers a multicallable moves bytes.
        leg.starts[route.path] = getattr(leg.channel, shape)(route.path)
    return leg


def _count(streaming: bool) -> str:  # noqa: FBT001 - the descriptor's own yes or no
    return "stream" if streaming else "unary"
