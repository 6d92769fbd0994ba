"""What is told of each call that passes: a line, its counts on both sides, a span for each side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from chassis import rpc_metrics, tracing
from chassis.auth import Principal
from chassis.errors import Refusal
from chassis.interceptors.logging import Told, say
from chassis.interceptors.statuses import code
from chassis.interceptors.tracing import OURS
from chassis.rpc_metrics import Series
from chassis.tracing import HEADER, Kind
from router import metrics
from router.metadata import Metadata
from router.routes import ROUTER, Route


@dataclass(slots=True)
class Observation:
    """One call; nobody says how it ended when its client left."""

    route: Route
    request_id: str
    traceparent: str
    principal: Principal | None = None
    code: grpc.StatusCode = grpc.StatusCode.CANCELLED
    client: Series = field(init=False)
    server: Series = field(init=False)

    def __post_init__(self) -> None:
        method = self.route.method
        self.client = rpc_metrics.CLIENT.of(method.type, method.service, method.name)
        self.server = rpc_metrics.SERVER.of(method.type, method.service, method.name)

    def request_passed(self) -> None:
        self.server.received()
        self.client.sent()

    def answer_passed(self) -> None:
        self.client.received()
        self.server.sent()

    def refused(self, refusal: Refusal) -> None:
        self.code = code(refusal)
        metrics.refused(self.route.silo, refusal.reason)

    @contextmanager
    def calling(self, metadata: Metadata) -> Iterator[Metadata]:
        """Observe the call to the silo; yield its metadata, by which what follows is a part of it.

        What a client said of its trace is only passed on where nobody records.
        """
        begun, path = time.monotonic(), self.route.path[1:]
        self.client.begin()
        with tracing.span(
            path, Kind.CLIENT, {"rpc.system.name": "grpc", "rpc.method": path}
        ) as leg:
            try:
                yield (*metadata, (HEADER, leg.traceparent or self.traceparent))
            finally:
                self.client.end(self.code.name, time.monotonic() - begun)
                leg.note({"rpc.response.status_code": self.code.name})
                if self.code is not grpc.StatusCode.OK:
                    leg.failed(self.code.name)


@contextmanager
def observed(route: Route, request_id: str, traceparent: str) -> Iterator[Observation]:
    """Tell of a call that begins now, when it has ended."""
    seen, begun, path = Observation(route, request_id, traceparent), time.monotonic(), route.path
    seen.server.begin()
    named = {"rpc.system.name": "grpc", "rpc.method": path[1:], "medport.silo": route.silo}
    with tracing.following(traceparent, path[1:], Kind.SERVER, named) as span:
        seen.traceparent = span.traceparent or traceparent
        try:
            yield seen
        finally:
            ended, seconds = seen.code.name, time.monotonic() - begun
            seen.server.end(ended, seconds)
            span.note({"rpc.response.status_code": ended, "medport.request_id": request_id})
            if ended in OURS:
                span.failed(ended)
            whose = Told(request_id, seen.traceparent, seen.principal)
            say(whose, route.silo, path, ended, seconds)


def unknown(request_id: str, traceparent: str, refusal: Refusal) -> None:
    """Tell of a call of no method; its name would be a label of any length."""
    ended = code(refusal).name
    metrics.refused(ROUTER, refusal.reason)
    series = rpc_metrics.SERVER.of("unary", "unknown", "unknown")
    series.begin()
    series.end(ended, 0)
    say(Told(request_id, traceparent, None), ROUTER, "unknown", ended, 0)
