"""Counts RPCs under the names of go-grpc-prometheus, from the server's and from the client's side.

https://github.com/grpc-ecosystem/go-grpc-middleware, providers/prometheus: dashboards made for
those names show a mesh of ours as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from prometheus_client import Counter, Histogram

# The codes that say that an RPC failed; what a caller did wrong is an answer like any other.
FAILED = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})

_LABELS = ("grpc_type", "grpc_service", "grpc_method")


class Series:
    """One method's figures, looked up once: ``labels()`` costs five times an increment."""

    __slots__ = ("_handled", "_labels", "_received", "_seconds", "_sent", "_side", "_started")

    def __init__(self, side: Side, labels: tuple[str, str, str]) -> None:
        self._side, self._labels = side, labels
        self._started = side.started.labels(*labels)
        self._received = side.received.labels(*labels)
        self._sent = side.sent.labels(*labels)
        self._seconds = side.seconds.labels(*labels)
        self._handled: dict[str, Counter] = {}

    def begin(self) -> None:
        self._started.inc()

    def received(self) -> None:
        self._received.inc()

    def sent(self) -> None:
        self._sent.inc()

    def end(self, code: str, seconds: float) -> None:
        handled = self._handled.get(code)
        if handled is None:
            handled = self._handled[code] = self._side.handled.labels(*self._labels, code)
        handled.inc()
        self._seconds.observe(seconds)


class Side:
    """All methods as one side of them sees it."""

    def __init__(self, name: str) -> None:
        prefix = f"grpc_{name}"
        self.started = Counter(f"{prefix}_started_total", "RPCs begun", _LABELS)
        self.handled = Counter(
            f"{prefix}_handled_total", "RPCs ended, by code", (*_LABELS, "grpc_code")
        )
        self.received = Counter(f"{prefix}_msg_received_total", "Messages received", _LABELS)
        self.sent = Counter(f"{prefix}_msg_sent_total", "Messages sent", _LABELS)
        self.seconds = Histogram(f"{prefix}_handling_seconds", "How long RPCs took", _LABELS)
        self._series: dict[tuple[str, str, str], Series] = {}

    def of(self, type_: str, service: str, method: str) -> Series:
        labels = (type_, service, method)
        if labels not in self._series:
            self._series[labels] = Series(self, labels)
        return self._series[labels]


SERVER = Side("server")
CLIENT = Side("client")

# Only who is called can tell: the client's runtime repeats without a word to the client's code.
RETRIED = Counter(
    "medport_retried_calls_total",
    "RPCs that their client's runtime repeated",
    ("grpc_service", "grpc_method"),
)


@contextmanager
def calling(type_: str, service: str, method: str) -> Iterator[Series]:
    """Count a call of one request that this process makes, for as long as the block lasts.

    A stream's answers are counted by who reads them.
    """
    series, begun, code = CLIENT.of(type_, service, method), time.monotonic(), grpc.StatusCode.OK
    series.begin()
    series.sent()
    try:
        yield series
        if type_ == "unary":
            series.received()
    except grpc.aio.AioRpcError as error:
        code = error.code()
        raise
    except BaseException:
        code = grpc.StatusCode.CANCELLED  # the call is given up
        raise
    finally:
        series.end(code.name, time.monotonic() - begun)
