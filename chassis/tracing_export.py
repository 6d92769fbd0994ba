"""Records spans with OpenTelemetry's SDK and sends them to a collector, which holds up nobody.

Ended spans wait in a bounded queue for a thread that sends them in batches. While the collector
is away, or slow, the queue is full and spans are dropped: they are counted, and no call waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Token
from threading import Thread
from typing import Any, Self

import grpc
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from chassis.errors import Refusal
from chassis.tracing import NOTHING, SPANS, Attributes, Kind, Unrecorded

WAITING = 4_096  # spans; 4 MB or so
BATCH = 512
EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 3.0  # with one batch
FINISH_SECONDS = 2.0


_HELD = contexts.create_key("medport-span")


class Recorded:
    """A span under way; leaving it ends it. An error is told by its type: texts quote patients.

    One that is of no use while it ``is_empty`` is told of once it has a part, a fact or an error.
    """

    __slots__ = ("_span", "_token", "is_empty", "traceparent")

    def __init__(self, span: Span, *, is_empty: bool) -> None:
        self._span = span
        self.is_empty = is_empty
        self._token: Token[Context] | None = None
        self.traceparent = _told(span.get_span_context())

    def __enter__(self) -> Self:
        held = contexts.set_value(_HELD, self)
        self._token = contexts.attach(trace.set_span_in_context(self._span, held))
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._token is not None:
            contexts.detach(self._token)
        if isinstance(error, asyncio.CancelledError | grpc.aio.InternalError):
            self.note({"medport.cancelled": 1})  # the caller has left
        elif isinstance(error, Refusal):  # the rules said no, as they should
            self.note({"error.type": type(error).__name__})
        elif error is not None and not isinstance(error, grpc.aio.AbortError):
            self.failed(type(error).__name__)
        if not self.is_empty:  # one that never ends is never sent
            self._span.end()

    def note(self, attributes: Attributes) -> None:
        self.is_empty = False
        self._span.set_attributes(dict(attributes))

    def failed(self, code: str) -> None:
        self.is_empty = False
        self._span.set_status(Status(StatusCode.ERROR, code))
        self._span.set_attribute("error.type", code)


class Recorder:
    """``process`` is the name under which the spans appear; ``collector`` takes OTLP over gRPC."""

    def __init__(self, process: str, collector: str) -> None:
        exporter = OTLPSpanExporter(collector, insecure=True, timeout=PATIENCE_SECONDS)
        self._queue = Queue(exporter)
        resource = Resource({"service.name": f"medport-{process}"})
        # A caller's word counts; what begins here is recorded.
        provider = TracerProvider(ParentBased(ALWAYS_ON), resource, shutdown_on_exit=False)
        provider.add_span_processor(self._queue)
        self._tracer = provider.get_tracer("medport")

    def part(self, name: str, kind: Kind, attributes: Attributes | None) -> Recorded | Unrecorded:
        if not trace.get_current_span().is_recording():
            return NOTHING
        if isinstance(holder := contexts.get_value(_HELD), Recorded):
            holder.is_empty = False
        return self._begun(name, None, kind, attributes)

    def following(
        self,
        traceparent: str,
        name: str,
        kind: Kind,
        attributes: Attributes | None,
        *,
        links: Sequence[str],
        began: int | None,
    ) -> Recorded:
        parent = Context()
        # The first of a trace that nobody called for is a timer's look, most of which find nothing.
        is_empty = not traceparent and kind is Kind.INTERNAL
        if traceparent:
            parent = trace.set_span_in_context(NonRecordingSpan(_read(traceparent)), parent)
        return self._begun(
            name, parent, kind, attributes, links=links, began=began, is_empty=is_empty
        )

    def current(self) -> str:
        found = trace.get_current_span().get_span_context()
        return _told(found) if found.is_valid else ""

    def finish(self) -> None:
        self._queue.finish()

    def _begun(
        self,
        name: str,
        parent: Context | None,
        kind: Kind,
        attributes: Attributes | None,
        *,
        links: Sequence[str] = (),
        began: int | None = None,
        is_empty: bool = False,
    ) -> Recorded:
        made = self._tracer.start_span(
            name,
            parent,
            SpanKind[kind.value],
            dict(attributes) if attributes else None,
            [Link(_read(each)) for each in links],
            began,
            record_exception=False,
            set_status_on_exception=False,
        )
        return Recorded(made, is_empty=is_empty)


class Queue(SpanProcessor):
    """Keeps ended spans until they are sent, as many as there is room for."""

    def __init__(self, exporter: SpanExporter, room: int = WAITING) -> None:
        self._room = room
        self._taken = 0  # by the loop's thread, which alone writes it
        self._sending = Counted(exporter)
        self._batches = BatchSpanProcessor(
            self._sending,
            max_queue_size=room,
            schedule_delay_millis=EVERY_SECONDS * 1000,
            max_export_batch_size=min(BATCH, room),
        )

    def on_end(self, span: ReadableSpan) -> None:
        if self._taken - self._sending.gone >= self._room:
            SPANS.labels("dropped").inc()
            return
        self._taken += 1
        self._batches.on_end(span)

    def finish(self) -> None:
        """Send what is left; a thread that waits for its collector ends with the process."""
        sending = Thread(target=self._batches.shutdown, daemon=True)
        sending.start()
        sending.join(FINISH_SECONDS)


class Counted(SpanExporter):
    """Counts what was sent, and what a collector did not take."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.gone = 0  # out of the queue, by the sending thread, which alone writes it

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self.gone += len(spans)
            outcome = "sent" if result is SpanExportResult.SUCCESS else "refused"
            SPANS.labels(outcome).inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _told(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _read(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    sampled: Any = TraceFlags(int(flags, 16) & TraceFlags.SAMPLED)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)
