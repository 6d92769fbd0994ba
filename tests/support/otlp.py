"""A collector of spans, as the processes know one: OTLP over gRPC, on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True)
class Seen:
    """One span as it arrived; ``parent`` and ``links`` are span ids in hexadecimal."""

    process: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: frozenset[str]
    attributes: dict[str, Any] = field(hash=False)
    status: int = 0
    wire: bytes = b""


class Collector(TraceServiceServicer):
    """Takes whatever arrives, and tells it apart once."""

    def __init__(self) -> None:
        self._spans: list[Seen] = []
        self.address = ""

    def Export(self, request: Any, context: object) -> Any:  # noqa: ARG002, N802 - of the contract
        for resource in request.resource_spans:
            process = dict(_attributes(resource.resource.attributes))["service.name"]
            for scope in resource.scope_spans:
                self._spans += [_seen(process, span) for span in scope.spans]
        return pb.ExportTraceServiceResponse()

    def spans(self) -> list[Seen]:
        return list(self._spans)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector in a thread of this process."""
    collector = Collector()
    server: Any = grpc.server(ThreadPoolExecutor(max_workers=2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _seen(process: str, span: Any) -> Seen:
    return Seen(
        process=process.removeprefix("medport-"),
        name=span.name,
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=frozenset(each.span_id.hex() for each in span.links),
        attributes=dict(_attributes(span.attributes)),
        status=span.status.code,
        wire=span.SerializeToString(),
    )


def _attributes(pairs: Any) -> Iterator[tuple[str, Any]]:
    for pair in pairs:
        yield pair.key, getattr(pair.value, pair.value.WhichOneof("value"))
