"""What one request made happen, across processes: W3C trace context, and spans if one wants them.

The ids travel in any case, from the caller through calls and events, because log lines tell them.
Spans are made only when ``configure`` was called; until then one costs a function call.
No attribute of a span holds a value of a row or of a message: names, codes and ids, nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Self

from prometheus_client import Counter

from chassis import call

if TYPE_CHECKING:
    from chassis.tracing_export import Recorded, Recorder

Attributes = Mapping[str, str | int]

HEADER = "traceparent"
SPANS = Counter("medport_spans_total", "Spans ended, by what became of them", ["outcome"])

# Version ff, and ids of zeros alone, are invalid (W3C Trace Context, section 3.2).
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Kind(Enum):
    """What a span is to others, in OpenTelemetry's words."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Unrecorded:
    """A span that nobody wants."""

    traceparent = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, attributes: Attributes) -> None: ...

    def failed(self, code: str) -> None: ...


NOTHING = Unrecorded()
_recorder: Recorder | None = None


def configure(process: str, collector: str) -> None:
    """Record spans from now on, and send them to ``collector``; an empty address records nothing.

    Needs the package's extra ``tracing``.
    """
    global _recorder  # noqa: PLW0603 - the process has one, as it has one log
    if collector:
        # Here, not above: a process that records nothing does without 10 MB of OpenTelemetry.
        from chassis.tracing_export import Recorder  # noqa: PLC0415

        _recorder = Recorder(process, collector)


def finish() -> None:
    """Send what is left, for two seconds at most: nobody waits for a collector that is away."""
    global _recorder  # noqa: PLW0603 - see configure
    if _recorder is not None:
        _recorder.finish()
        _recorder = None


def is_on() -> bool:
    return _recorder is not None


def span(
    name: str, kind: Kind = Kind.INTERNAL, attributes: Attributes | None = None
) -> Recorded | Unrecorded:
    """Make a part of what is under way in this task; nothing where nothing is recorded."""
    return NOTHING if _recorder is None else _recorder.part(name, kind, attributes)


def following(
    traceparent: str,
    name: str,
    kind: Kind,
    attributes: Attributes | None = None,
    *,
    links: Sequence[str] = (),
    began: int | None = None,
) -> Recorded | Unrecorded:
    """Make what follows from ``traceparent``, or, where that is empty, the first of a trace.

    ``links`` are the traceparents of what else it has to do with. ``began``, in nanoseconds since
    1970, is for what is told when it is over already.
    """
    if _recorder is None:
        return NOTHING
    return _recorder.following(traceparent, name, kind, attributes, links=links, began=began)


def current() -> str:
    """Return the traceparent of what is under way in this task; empty where nothing is known."""
    if _recorder is not None and (recorded := _recorder.current()):
        return recorded
    if (rpc := call.current()) is not None:
        return rpc.traceparent
    cause = call.cause()
    return cause.traceparent if cause else ""


def given(values: Sequence[str | bytes]) -> str:
    """Return the one valid traceparent among a caller's metadata; empty for none, or for two."""
    if len(values) == 1 and _FORM.fullmatch(str(values[0])):
        return str(values[0])
    return ""


def made() -> str:
    """Begin a trace that this process does not record; others may, so it says "sampled"."""
    raw = os.urandom(24).hex()
    return f"00-{raw[:32]}-{raw[32:]}-01"


def ids(traceparent: str) -> dict[str, str]:
    """Return the ids as a log line tells them; nothing for an empty ``traceparent``."""
    if not traceparent:
        return {}
    _, trace_id, span_id, _ = traceparent.split("-")
    return {"trace_id": trace_id, "span_id": span_id}
