"""One silo as the router reaches it: its replicas, its breaker, its share of the router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
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
    """A connection to each of a silo's replicas: how busy it is, what starts a call on it."""

    channel: grpc.aio.Channel
    starts: dict[str, Any] = field(default_factory=dict)
    load: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one call: where to start it, and whom to tell how it went."""

    leg: Leg
    _ticket: Ticket
    _breaker: Breaker
    _under_way: dict[Ticket, grpc.aio.Call]

    def begun(self, call: grpc.aio.Call) -> None:
        """Note the call that this is for, so that it can be given up."""
        self._under_way[self._ticket] = call

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
        self,
        silo: str,
        addresses: Sequence[str],
        routes: Iterable[Route],
        limits: Limits = LIMITS,
        *,
        role: str = "",
    ) -> None:
        self.silo = silo
        self.name = f"{silo}-{role}" if role else silo  # what operators call it
        self.breaker = Breaker()
        self._under_way: dict[Ticket, grpc.aio.Call] = {}
        self.bulkhead = Bulkhead(limits)
        served, target = (
            [route for route in routes if route.silo == silo],
            channels.target(addresses),
        )
        # Probes and keys keep off the callers' channels and limits.
        self.side = _channel(target, ())
        self.probes = [channels.channel(each) for each in addresses]
        self._legs = [Leg(_channel(target, served)) for _ in range(CHANNELS)]
        for leg in self._legs:
            leg.starts.update((route.path, _start(leg.channel, route)) for route in served)

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
                    yield Lease(leg, ticket, self.breaker, self._under_way)
                finally:
                    leg.load -= 1
            finally:
                self._leave(route)
        finally:
            self._under_way.pop(ticket, None)
            self.breaker.leave(ticket)

    def give_up(self) -> None:
        """End what has waited long for a silo that is silent, and refuse what comes next.

        Streams stay: they wait for news, not for an answer, and the runtime's pings end them.
        """
        self.breaker.trip()
        for ticket, call in tuple(self._under_way.items()):
            if self.breaker.is_slow(ticket):
                call.cancel()

    async def close(self) -> None:
        for channel in (self.side, *self.probes, *(leg.channel for leg in self._legs)):
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


def _channel(target: str, routes: Sequence[Route]) -> grpc.aio.Channel:
    options = (*channels.HOP, ("grpc.service_config", service_config(routes)))
    return grpc.aio.insecure_channel(target, options=options)


def _start(channel: grpc.aio.Channel, route: Route) -> Any:
    """Make what starts a call of ``route``; without serializers it moves bytes."""
    method = route.method
    shape = f"{_count(method.streams_requests)}_{_count(method.streams_answers)}"
    return getattr(channel, shape)(route.path)


def _count(streaming: bool) -> str:  # noqa: FBT001 - the descriptor's own yes or no
    return "stream" if streaming else "unary"
