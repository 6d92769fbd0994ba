"""Shows in the trace of an event when it got its position, and when it was handed to another silo.

Only where spans are recorded: the log's streams else look into no event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from psycopg import AsyncConnection

from chassis import tracing
from chassis.stream_entries import Entry, Interest
from chassis.tracing import Kind

# EventMetadata.traceparent = 9, of 55 bytes; the metadata comes before any payload.
_TRACEPARENT = re.compile(rb"\x4a\x37([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})")
_MOVED = (
    "SELECT position, type, data FROM event_log WHERE position > %s AND position <= %s"
    " ORDER BY position"
)


@contextmanager
def delivering(entries: Iterable[Entry], reader: Interest) -> Iterator[None]:
    """Make the hand-over of each of ``entries`` a span of its trace, if a silo is the reader."""
    silo = next((each for each in reader.keys if each.startswith("silo:")), "")
    if not tracing.is_on() or not silo:
        yield
        return
    with ExitStack() as spans:
        for entry in entries:
            facts: dict[str, str | int] = {"medport.reader": silo}
            facts["medport.position"] = entry.position
            if cause := _cause(entry.wire):
                name = f"deliver {_short(entry.type)}"
                spans.enter_context(tracing.following(cause, name, Kind.PRODUCER, facts))
        yield


async def sequenced(connection: AsyncConnection, moved: int, head: int, began: int) -> None:
    """Make the tick that ended at ``head`` a span of each trace that it moved an event of.

    ``began`` is the moment it began, in nanoseconds since 1970.
    """
    rows: Any = await (await connection.execute(_MOVED, (head - moved, head))).fetchall()
    for position, type_, data in rows:
        if cause := _cause(data):
            facts = {"medport.position": position, "medport.moved": moved}
            name = f"sequence {_short(type_)}"
            with tracing.following(cause, name, Kind.INTERNAL, facts, began=began):
                pass


def _cause(wire: bytes) -> str:
    found = _TRACEPARENT.search(wire)
    return tracing.given([found[1].decode()]) if found else ""


def _short(type_: str) -> str:
    return type_.rpartition(".")[2]
