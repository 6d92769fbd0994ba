"""One look at a running mesh: programs, databases, breakers, calls, and who follows whom.

Needs no login, and waits for nobody: what does not answer within a second or two is told so.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from urllib.error import URLError
from urllib.request import urlopen

import grpc
from medport.common.v1 import vocabulary_pb2
from medport.router.v1 import gateway_pb2 as pb
from medport.router.v1.gateway_pb2_grpc import GatewayServiceStub

from chassis.rpc_metrics import FAILED
from mesh import health
from mesh.census import Census, Following
from mesh.ports import SILOS
from mesh.postgres import PostgresServer
from mesh.state import DataDirectory

PATIENCE_SECONDS = 1.0
_AT_ONCE = 12
_HANDLED = re.compile(r'^grpc_server_handled_total\{.*?grpc_code="(\w+)".*\} (\S+)$', re.MULTILINE)
_STARTED = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_LAG = re.compile(
    r'^medport_consumer_lag_seconds\{consumer="([^"]+)",source="([^"]+)"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Calls:
    """What one life of a process has answered: how many calls, and how many of them failed."""

    life: float  # when it began, in seconds since 1970
    handled: float
    failed: float


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is known of one program; None and "" where nobody says, or it has no such thing."""

    port: int
    health: str
    metrics: int | None = None
    admin: int | None = None
    breaker: str = ""
    event_position: int | None = None  # as the router was told
    calls_per_second: float | None = None
    error_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look brought. Rates are of the ``seconds`` since the look before, or since a start."""

    at: float
    seconds: float | None
    programs: Mapping[str, Program]
    following: list[Following]
    unanswered: Mapping[str, str]  # by silo: why nobody says whom it follows
    lag_seconds: Mapping[tuple[str, str], float]
    calls: Mapping[str, Calls] = field(default_factory=dict)


def look(data: DataDirectory) -> Look:
    """Look now, and remember it for the next look; raises NotRunning."""
    ports, before = data.running().ports, _remembered(data)
    services = (*SILOS, "router")
    with ThreadPoolExecutor(_AT_ONCE) as asked:
        states = {name: asked.submit(health.state, ports[name]) for name in services}
        pages = {name: asked.submit(_page, ports[f"{name}-metrics"]) for name in services}
        routed = asked.submit(_routed, ports["router"])
        followed = asked.submit(Census(data).following)
        databases = {name: _database(data, ports, name) for name in SILOS}
    now, texts = time.time(), {name: page.result() for name, page in pages.items()}
    calls = {name: told for name, text in texts.items() if (told := _calls(text))}
    programs = {f"{name}-postgres": program for name, program in databases.items()}
    for name in services:
        rate, share = _rate(calls.get(name), before.calls.get(name), before.at, now)
        programs[name] = Program(
            port=ports[name],
            metrics=ports[f"{name}-metrics"],
            admin=ports.get(f"{name}-admin"),  # a mesh of an earlier release has none
            health=states[name].result(),
            breaker=_breaker(silo := routed.result().get(name)),
            event_position=silo.event_position if silo else None,
            calls_per_second=rate,
            error_share=share,
        )
    following, silent = followed.result()
    found = Look(
        at=now,
        seconds=now - before.at if before.at else None,
        programs=programs,
        following=following,
        unanswered=silent,
        lag_seconds={key: lag for text in texts.values() for key, lag in _lags(text)},
        calls=calls,
    )
    _remember(data, found)
    return found


@dataclass(frozen=True)
class _Before:
    at: float = 0.0
    calls: Mapping[str, Calls] = field(default_factory=dict)


def _rate(
    calls: Calls | None, before: Calls | None, then: float, now: float
) -> tuple[float | None, float | None]:
    """Return calls a second and the share of them that failed; of a new life, all of it counts."""
    if calls is None:
        return None, None
    if before is None or before.life != calls.life:
        before, then = Calls(calls.life, 0, 0), calls.life
    handled = calls.handled - before.handled
    share = (calls.failed - before.failed) / handled if handled else 0.0
    return handled / max(now - then, 0.001), share


def _database(data: DataDirectory, ports: Mapping[str, int], silo: str) -> Program:
    name = f"{silo}-postgres"
    server = PostgresServer(name, ports[name], data.postgres)
    return Program(port=ports[name], health="ready" if server.ready else "down")


def _page(port: int) -> str:
    """Return what a process tells Prometheus; nothing if it does not."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS) as page:
            text: str = page.read().decode()
    except (URLError, OSError):
        return ""
    return text


def _calls(text: str) -> Calls | None:
    started = _STARTED.search(text)
    if started is None:
        return None
    counts = [(code, float(count)) for code, count in _HANDLED.findall(text)]
    failed = sum(count for code, count in counts if code in FAILED)
    return Calls(float(started[1]), sum(count for _, count in counts), failed)


def _lags(text: str) -> Iterator[tuple[tuple[str, str], float]]:
    for consumer, source, seconds in _LAG.findall(text):
        yield (consumer, source), float(seconds)


def _routed(port: int) -> dict[str, pb.SiloStatus]:
    """Return how the router sees each silo; nothing if it does not answer."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GatewayServiceStub(channel)
        try:
            answer = stub.GetMeshStatus(pb.GetMeshStatusRequest(), timeout=PATIENCE_SECONDS)
        except grpc.RpcError:
            return {}
    known = vocabulary_pb2.Silo
    return {known.Name(each.silo).removeprefix("SILO_").lower(): each for each in answer.silos}


def _breaker(status: pb.SiloStatus | None) -> str:
    if status is None:
        return ""
    return pb.BreakerState.Name(status.breaker_state).removeprefix("BREAKER_STATE_")


def _remembered(data: DataDirectory) -> _Before:
    try:
        kept = json.loads(data.looked.read_text())
        calls = {name: Calls(**each) for name, each in kept["calls"].items()}
        return _Before(float(kept["at"]), calls)
    except (OSError, ValueError, KeyError, TypeError):  # none, or of another release
        return _Before()


def _remember(data: DataDirectory, found: Look) -> None:
    calls = {name: asdict(each) for name, each in found.calls.items()}
    partial = data.looked.with_suffix(f".{os.getpid()}")  # several may look at a time
    partial.write_text(json.dumps({"at": found.at, "calls": calls}))
    partial.rename(data.looked)
