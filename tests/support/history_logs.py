"""The log of a history: every event in its place, as flat arrays of numbers."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from psycopg import Connection

Value = TypeVar("Value")

PAGE = 5_000
NOTHING = 0  # the key of a position that the log lacks
_LOW_64_BITS = (1 << 64) - 1
_READ = """
SELECT position, event_id, type, subject, subject_version, tx_first, tx_index, tx_size, audience
  FROM event_log WHERE position > %s ORDER BY position LIMIT %s
"""


def key(event_id: Any) -> int:
    """Return the last 64 bits of a UUID, given as such or as its text."""
    if isinstance(event_id, UUID):
        return event_id.int & _LOW_64_BITS
    return int(event_id[19:23] + event_id[24:], 16)


def content(subject: str, version: int) -> int:
    """Return a number that stands for what an event says of whom."""
    return zlib.crc32(f"{subject} v{version}".encode())


class Placed(NamedTuple):
    """One event with its place, as a row of the log or an event of a frame says it."""

    position: int
    event_id: Any
    type: str
    subject: str
    version: int
    first: int
    index: int  # type: ignore[assignment]  # the name of the contract; nobody looks for values
    size: int
    audience: Sequence[str] = ()


_HOLE = Placed(0, "", "", "", 0, 0, 0, 0)


class Reach(NamedTuple):
    """What decides, beside its subject, who gets an event."""

    type: str
    audience: frozenset[str]


class Interned(Generic[Value]):
    """Numbers for values of which many are equal."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._numbers: dict[Value, int] = {}

    def number(self, value: Value) -> int:
        known = self._numbers.setdefault(value, len(self.values))
        if known == len(self.values):
            self.values.append(value)
        return known


class Log:
    """Positions ``first`` to ``last``; where rows were missing or too many, ``faults`` says so.

    ``earliest`` is where the log began when it was last read: a trim moves it.
    ``is_pieced``: it was put together from what subscribers were sent, and may have holes.
    """

    def __init__(self, rows: Iterable[Placed] = (), first: int = 1) -> None:
        self.first = self.earliest = first
        self.is_pieced = False
        self.faults: list[tuple[int, str]] = []
        self.keys = array("Q")
        self.contents = array("I")
        self.versions = array("q")
        self.subjects, self.subject = array("i"), Interned[str]()
        self.reaches, self.reach = array("i"), Interned[Reach]()
        self.firsts, self.sizes = array("q"), array("i")
        for row in rows:
            self.add(row)

    @property
    def last(self) -> int:
        return self.first + len(self.keys) - 1

    def index(self, position: int) -> int | None:
        """Return where the arrays hold ``position``; None where the log lacks it."""
        index = position - self.first
        return index if 0 <= index < len(self.keys) and self.keys[index] != NOTHING else None

    def add(self, row: Placed) -> None:
        """Add the next row; a hole before it is kept as a hole, and is a fault."""
        if row.position <= self.last:
            self.faults.append((row.position, "this position is there twice"))
            return
        if row.position > self.last + 1:
            self.faults.append((row.position, f"positions from {self.last + 1} on are missing"))
        if row.position != row.first + row.index or not 0 <= row.index < row.size:
            self.faults.append((row.position, "its place in its transaction cannot be"))
        self.put(row, key(row.event_id))

    def put(self, row: Placed, id: int) -> None:
        """Add ``row``, whose event has the key ``id``, behind whatever hole there is."""
        for _ in range(row.position - 1 - self.last):
            self._append(_HOLE, NOTHING)
        self._append(row, id)

    def _append(self, row: Placed, id: int) -> None:
        self.keys.append(id)
        self.contents.append(content(row.subject, row.version))
        self.versions.append(row.version)
        self.subjects.append(self.subject.number(row.subject))
        self.reaches.append(self.reach.number(Reach(row.type, frozenset(row.audience))))
        self.firsts.append(row.first)
        self.sizes.append(row.size)


def read_log(connection: Connection[Any], log: Log | None = None, first: int = 1) -> Log:
    """Read the log from ``first`` on, a page at a time, or what has been added to ``log``.

    What a trim is about to drop has to be read before: acknowledged events are looked for.
    """
    log = log or Log(first=first)
    while page := connection.execute(_READ, (log.last, PAGE)).fetchall():
        for row in page:
            log.add(Placed(*row))
    earliest = connection.execute("SELECT first_position FROM event_log_head").fetchone()
    log.earliest = max(log.first, earliest[0] if earliest else 1)
    return log
