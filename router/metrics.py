"""What operators watch: the router's calls per method, and how each silo is treated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from prometheus_client import Counter, Gauge

from chassis import telemetry
from chassis.errors import Refusal
from chassis.interceptors.methods import Method
from chassis.interceptors.statuses import code
from router.backends import Backend
from router.breaker import State

_STATES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}

_INFLIGHT = Gauge("medport_router_inflight", "Unary calls under way.", ("silo",))
_STREAMS = Gauge("medport_router_streams", "Streams open.", ("silo",))
_BREAKER = Gauge(
    "medport_router_breaker_state", "0 closed, 1 one call on probation, 2 open.", ("silo",)
)
_REFUSED = Counter(
    "medport_router_refused_total", "Calls the router itself ended.", ("silo", "reason")
)


def watch(backends: Iterable[Backend]) -> None:
    """Read the gauges from ``backends`` whenever somebody asks."""
    for backend in backends:
        _watch(backend)


def _watch(backend: Backend) -> None:
    bulkhead, breaker = backend.bulkhead, backend.breaker
    _INFLIGHT.labels(backend.silo).set_function(lambda: bulkhead.calls)
    _STREAMS.labels(backend.silo).set_function(lambda: bulkhead.streams)
    _BREAKER.labels(backend.silo).set_function(lambda: _STATES[breaker.state])


def unknown() -> None:
    """Count a call of a method that does not exist; its name would be a label of any length."""
    telemetry.started("unary", "unknown", "unknown")
    telemetry.handled("unary", "unknown", "unknown", grpc.StatusCode.UNIMPLEMENTED.name, 0)


@dataclass(slots=True)
class Count:
    """One call as it will be counted; nobody says how it ended when its client left."""

    code: grpc.StatusCode = grpc.StatusCode.CANCELLED

    def refused(self, silo: str, refusal: Refusal) -> None:
        self.code = code(refusal)
        _REFUSED.labels(silo, refusal.reason).inc()


@contextmanager
def counted(method: Method) -> Iterator[Count]:
    """Count a call that begins now, under its method."""
    begun, count = time.monotonic(), Count()
    telemetry.started(method.type, method.service, method.name)
    try:
        yield count
    finally:
        seconds = time.monotonic() - begun
        telemetry.handled(method.type, method.service, method.name, count.code.name, seconds)
