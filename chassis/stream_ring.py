"""The newest events in memory, so that streams that keep up never ask the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chassis import event_log_metrics as metrics
from chassis.event_log_errors import LogCorrupt
from chassis.stream_entries import Entry

SLOTS = 65_536
BYTES = 64 * 1024 * 1024


class Ring:
    """Positions ``floor`` to ``tail``, each in the slot of its remainder; empty: floor = tail + 1.

    It is bounded by slots and by bytes, and forgets the oldest first.
    """

    def __init__(self, slots: int = SLOTS, most_bytes: int = BYTES) -> None:
        self._slots: list[Entry | None] = [None] * slots
        self._most_bytes = most_bytes
        self._bytes = 0
        self.floor = 1
        self.tail = 0

    def restart(self, tail: int) -> None:
        """Forget everything; the next entry is the one behind ``tail``."""
        self._slots = [None] * len(self._slots)
        self._bytes = 0
        self.floor, self.tail = tail + 1, tail

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add the entries behind the tail; raises LogCorrupt, adding none, where one is missing."""
        for expected, entry in enumerate(entries, self.tail + 1):
            if entry.position != expected:
                raise LogCorrupt(expected)
        for entry in entries:
            while self.floor <= entry.position - len(self._slots):
                self._forget()
            self._slots[entry.position % len(self._slots)] = entry
            self._bytes += entry.size
            self.tail = entry.position
        while self._bytes > self._most_bytes and self.floor <= self.tail:
            self._forget()
        metrics.RING_BYTES.set(self._bytes)

    def between(self, after: int, end: int) -> Iterator[Entry]:
        """Give the entries in ``(after, end]``, all of which must be held."""
        for position in range(after + 1, end + 1):
            entry = self._slots[position % len(self._slots)]
            if entry is None or entry.position != position:
                raise LookupError(position)
            yield entry

    def _forget(self) -> None:
        index = self.floor % len(self._slots)
        oldest = self._slots[index]
        if oldest is not None:
            self._bytes -= oldest.size
        self._slots[index] = None
        self.floor += 1
