"""Tells of each event that had its effect: a span if one is wanted, a line once it is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chassis import telemetry, tracing
from chassis.projection import Received
from chassis.tracing import Kind


class Telling:
    """What one transaction of a consumer applies; ``committed`` writes the lines."""

    def __init__(self, labels: tuple[str, str]) -> None:
        self._consumer, self._source = labels
        self._lines: list[dict[str, Any]] = []
        self._frame = ""

    @contextmanager
    def frame(self, events: Sequence[Any]) -> Iterator[None]:
        """Make the transaction a span of its own, which is linked to what each event follows from.

        An event's effect belongs into the trace of its cause; the transaction is of them all.
        """
        causes = [each.metadata.traceparent for each in events if each.metadata.traceparent]
        if not causes:
            yield
            return
        name = f"apply events of {self._source}"
        with tracing.following("", name, Kind.CONSUMER, self._named, links=causes) as span:
            self._frame = span.traceparent
            yield

    @contextmanager
    def applying(self, event: Received) -> Iterator[None]:
        """Note one event, whose effect is a part of the trace that it follows from."""
        metadata, position, begun = event.metadata, event.placement.position, time.monotonic()
        name, links = metadata.type.rpartition(".")[2], [self._frame] if self._frame else []
        facts = {**self._named, "medport.position": position, "medport.event_id": metadata.id}
        effect = tracing.following(
            metadata.traceparent, f"project {name}", Kind.CONSUMER, facts, links=links
        )
        with effect as span:
            yield
        told = span.traceparent or metadata.traceparent
        self._lines.append(
            {
                "event_type": metadata.type,
                "subject": metadata.subject,
                "position": position,
                "request_id": metadata.correlation_id,
                "milliseconds": round((time.monotonic() - begun) * 1000, 1),
                **tracing.ids(told),
            }
        )

    def committed(self) -> None:
        """Write the lines: what is told here has happened."""
        for line in self._lines:
            telemetry.log.info("applied", consumer=self._consumer, source=self._source, **line)

    @property
    def _named(self) -> dict[str, str | int]:
        return {"medport.consumer": self._consumer, "medport.source": self._source}
