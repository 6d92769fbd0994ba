"""Deadlines, retries and limits as data: one table, which could be rendered for another proxy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chassis.rates import Rate
from router.routes import Route

READ_S, WRITE_S, MOST_S = 2.0, 5.0, 30.0
DRAIN_PAUSE_S = 2.0  # until whoever watches our health has gone elsewhere
DRAIN_GRACE_S = 15.0
COPY_S = 0.5  # a read replica gets no more of a read's time: the primary answers in the rest

# More than this on one connection would queue unseen: what silos set as max_concurrent_streams,
# less the one on which the runtime watches the replica's health.
CALLS_PER_CHANNEL = 99
CHANNELS = 4


@dataclass(frozen=True, slots=True)
class Deadline:
    """Seconds a call gets that names none, and the most it gets whatever it names."""

    default: float
    most: float


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls of one silo may be under way; the rest of its channels is for streams."""

    unary: int = 128
    waiting: int = 64
    wait_s: float = 0.05
    streams: int = CHANNELS * CALLS_PER_CHANNEL - 128


@dataclass(frozen=True, slots=True)
class Tripping:
    """When a silo counts as broken, and how soon it is tried again."""

    consecutive: int = 5
    ratio: float = 0.5
    ratio_calls: int = 20
    ratio_window_s: int = 10
    slow_s: float = 1.0
    slow_calls: int = 32
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Allowances:
    """How often one principal may call, one address without a token, and log in wrongly."""

    principal: Rate
    address: Rate
    wrong_login: Rate


LIMITS, TRIPPING = Limits(), Tripping()
ALLOWANCES = Allowances(
    principal=Rate(per_second=50, burst=100),
    address=Rate(per_second=50, burst=100),
    wrong_login=Rate(per_second=30 / 60, burst=30),
)

# Exceptions to the defaults below, by package, service or method. None are needed today.
DEADLINES: dict[str, Deadline | None] = {}

RETRY = {
    "maxAttempts": 2,
    "initialBackoff": "0.1s",  # the runtime jitters it by a fifth
    "maxBackoff": "0.2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
RETRY_BUDGET = {"maxTokens": 100, "tokenRatio": 0.1}  # per channel: a call earns, a retry costs


# The toggle that says whose calls go to a silo's canary.
CANARY_FEATURE = "router.canary.{silo}"


def deadline_of(route: Route) -> Deadline | None:
    """Return the deadline of a unary method; streams take whatever the caller names."""
    for name in (route.path, route.method.service, route.package):
        if name in DEADLINES:
            return DEADLINES[name]
    if not route.unary:
        return None
    return Deadline(READ_S if route.side_effect_free else WRITE_S, MOST_S)


def retried(route: Route) -> bool:
    """Say whether the router tries again when the silo cannot be reached."""
    return route.unary and route.retry_safe


def repeatable(route: Route) -> bool:
    """Say whether a call that one set of processes lost may be made again at another."""
    return route.retry_safe and not route.method.streams_requests


# Turn by turn, over those replicas that say of themselves that they serve.
BALANCING: dict[str, Any] = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
}


def service_config(routes: Iterable[Route]) -> str:
    """Render balancing and retries for the runtime.

    Retries happen only on this hop, and only where a repeat is harmless.
    """
    names = [
        dict(zip(("service", "method"), route.path.strip("/").split("/"), strict=True))
        for route in routes
        if retried(route)
    ]
    config: dict[str, Any] = {**BALANCING, "retryThrottling": RETRY_BUDGET}
    if names:
        config["methodConfig"] = [{"name": names, "retryPolicy": RETRY}]
    return json.dumps(config)
