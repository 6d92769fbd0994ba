"""Spans cost nothing where nobody wants them, and a collector holds up nobody."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from chassis import settings, tracing
from chassis.call import Call, enter
from chassis.clock import Clock, utc_now
from chassis.environment import BadSettings
from chassis.sql import name_of
from chassis.timers import every
from chassis.tracing import NOTHING, SPANS, Kind
from chassis.tracing_export import FINISH_SECONDS, PATIENCE_SECONDS, Queue
from chassis.unit_of_work import Database
from tests.support.otlp import collecting

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
ROOM = 64


@pytest.fixture
def silence() -> Iterator[str]:
    """Give the address of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def told(outcome: str) -> float:
    (metric,) = SPANS.collect()
    return sum(
        each.value
        for each in metric.samples
        if each.labels == {"outcome": outcome} and each.name.endswith("_total")
    )


def test_a_span_that_nobody_wants_is_no_span() -> None:
    assert not tracing.is_on()
    assert tracing.span("work") is NOTHING
    assert tracing.following(TRACEPARENT, "work", Kind.SERVER) is NOTHING
    enter(Call("/a.B/C", traceparent=TRACEPARENT))
    assert tracing.current() == TRACEPARENT  # it travels nevertheless


@pytest.mark.parametrize(
    "value",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"{TRACEPARENT}-more",
        "",
    ],
)
def test_an_invalid_traceparent_is_none(value: str) -> None:
    assert tracing.given([value]) == ""


def test_two_traceparents_are_none_and_one_is_taken() -> None:
    assert tracing.given([TRACEPARENT, TRACEPARENT]) == ""
    assert tracing.given([TRACEPARENT]) == TRACEPARENT
    assert tracing.ids(TRACEPARENT) == {"trace_id": TRACE, "span_id": SPAN}
    assert tracing.given([tracing.made()])


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT a FROM transport_bid WHERE note = %(note)s FOR UPDATE", "SELECT transport_bid"),
        ("\n  insert INTO audit_entry (a) VALUES (%(a)s)", "INSERT audit_entry"),
        ("UPDATE unit SET number = 'secret'", "UPDATE unit"),
        ("SELECT set_config('a', 'secret', true)", "SELECT"),
    ],
)
def test_a_statements_name_holds_no_value(statement: str, name: str) -> None:
    assert name_of(statement) == name


def test_a_collector_that_does_not_answer_holds_up_nobody(silence: str) -> None:
    queue = Queue(OTLPSpanExporter(silence, insecure=True, timeout=PATIENCE_SECONDS), room=ROOM)
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer, before, begun = provider.get_tracer("test"), told("dropped"), time.monotonic()
    for _ in range(ROOM * 10):
        tracer.start_span("work").end()
    queue.finish()
    assert told("dropped") - before >= ROOM * 8  # a room full waits, another may be on its way
    assert time.monotonic() - begun < FINISH_SECONDS + PATIENCE_SECONDS  # not ten times as long


def test_what_is_left_is_sent_at_the_end() -> None:
    with collecting() as collector:
        before = told("sent")
        tracing.configure("test", collector.address)
        try:
            with (
                tracing.following(TRACEPARENT, "call", Kind.SERVER, {"rpc.method": "a.B/C"}),
                tracing.span("statement") as part,
            ):
                assert tracing.current() == part.traceparent
        finally:
            tracing.finish()
        inner, outer = collector.spans()
    assert (outer.process, outer.trace, outer.parent) == ("test", TRACE, SPAN)
    assert (inner.parent, inner.trace) == (outer.id, TRACE)
    assert told("sent") - before == 2


async def test_a_timers_look_that_asks_nothing_and_finds_nothing_is_no_trace() -> None:
    nowhere = cast("Any", None)  # these sweeps ask nothing of their database

    async def idle(_: Database, __: Clock) -> int:
        return 0

    async def busy(_: Database, __: Clock) -> int:
        return 3

    async def asking(_: Database, __: Clock) -> int:
        with tracing.span("statement"):
            return 0

    async def failing(_: Database, __: Clock) -> int:
        raise KeyError

    with collecting() as collector:
        tracing.configure("test", collector.address)
        try:
            for sweep in (idle, busy, asking, idle):
                await every(1.0, sweep).turn(nowhere, utc_now)
            with pytest.raises(KeyError):
                await every(1.0, failing).turn(nowhere, utc_now)
        finally:
            tracing.finish()
        spans = collector.spans()
    assert [each.name.rpartition(".")[2] for each in spans] == [
        "busy",
        "statement",
        "asking",
        "failing",
    ]
    assert spans[0].attributes == {"medport.changed": 3}
    assert (spans[1].parent, spans[3].attributes) == (spans[2].id, {"error.type": "KeyError"})


def test_an_unsampled_callers_word_counts() -> None:
    with collecting() as collector:
        tracing.configure("test", collector.address)
        try:
            unsampled = TRACEPARENT.removesuffix("01") + "00"
            with tracing.following(unsampled, "call", Kind.SERVER) as call:
                assert tracing.span("statement") is NOTHING
                assert call.traceparent.startswith(f"00-{TRACE}-")
                assert call.traceparent.endswith("-00")
        finally:
            tracing.finish()
        assert collector.spans() == []


def test_without_what_sends_spans_it_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc", None)
    with pytest.raises(BadSettings) as bad:
        settings.router({"MEDPORT_OTLP_ENDPOINT": "127.0.0.1:4317"})
    (line,) = (each for each in bad.value.mistakes if "OTLP" in each)
    assert line == "MEDPORT_OTLP_ENDPOINT: spans cannot be sent: pip install 'medport[tracing]'"
