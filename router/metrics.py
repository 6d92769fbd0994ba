"""What operators watch: how the router treats each silo."""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from prometheus_client import Counter, Gauge

from router.answers import SiloUnavailable
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

_COPIES = Counter(
    "medport_router_read_replica_calls_total", "Reads asked of a replica.", ("silo", "grpc_code")
)


def watch(backends: Iterable[Backend]) -> None:
    """Read the gauges from ``backends`` whenever somebody asks.

    What an alarm asks the rate of begins at 0: a rise from nothing at all is no rise to it.
    """
    for backend in backends:
        _watch(backend)
        _REFUSED.labels(backend.silo, SiloUnavailable.reason)


def _watch(backend: Backend) -> None:
    bulkhead, breaker = backend.bulkhead, backend.breaker
    _INFLIGHT.labels(backend.name).set_function(lambda: bulkhead.calls)
    _STREAMS.labels(backend.name).set_function(lambda: bulkhead.streams)
    _BREAKER.labels(backend.name).set_function(lambda: _STATES[breaker.state])


def copy_asked(silo: str, code: grpc.StatusCode) -> None:
    """Count a read that a replica was asked for, by its word: but for OK, the primary answered."""
    _COPIES.labels(silo, code.name).inc()


def refused(silo: str, reason: str) -> None:
    """Count a call that the router itself ended."""
    _REFUSED.labels(silo, reason).inc()
