"""By when everything committed is in the log: readers conclude from it what will not come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

MARKS = 16  # of which the oldest serves readers that are a second or two behind


@dataclass(frozen=True, slots=True)
class Look:
    """The log at one moment: the staged events' ids, None without any, and the head."""

    asked: Timestamp  # before the database was
    oldest: int | None
    newest: int | None
    head: int


class Completeness:
    """Draws conclusions from looks at the outbox and the head, each of one snapshot.

    It waits for no moment without staged events, for a busy silo may not have one: what had been
    committed by a look is in the log once nothing is staged that was then.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[Timestamp, int]] = deque(maxlen=MARKS)
        self._waiting: Look | None = None

    def look(self, seen: Look) -> None:
        if seen.oldest is None:
            self._marks.append((seen.asked, seen.head))
            self._waiting = None
        elif self._waiting is None:
            self._waiting = seen
        elif seen.oldest > (self._waiting.newest or 0):
            self._marks.append((self._waiting.asked, seen.head))
            self._waiting = seen

    def until(self, position: int) -> Timestamp | None:
        """Return by when everything committed is at or below ``position``; None: not known."""
        found = (asked for asked, head in reversed(self._marks) if head <= position)
        return next(found, None)

    def forget(self) -> None:
        """Start over: positions and ids may be another life's."""
        self._marks.clear()
        self._waiting = None
