"""Tempting ways to number events, to resume and to project: each is wrong, and must be caught.

They stand beside the code under test and share only its tables. What they deliver goes into the
same histories, for the oracle to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from psycopg import Connection

from chassis.resume_tokens import Lineage
from chassis.stream_entries import Entry
from chassis.stream_ring import Ring
from tests.support.event_writers import Scene
from tests.support.histories import Log, Placed, Stream

_COLUMNS = "event_id, type, subject, subject_version, audience, xid"
_BEYOND = f"SELECT id, {_COLUMNS} FROM outbox WHERE id > %s ORDER BY id"  # noqa: S608
_BY_XID = f"SELECT {_COLUMNS} FROM outbox ORDER BY xid, id"  # noqa: S608
_BY_LOWEST_IDS = f"""
SELECT {_COLUMNS} FROM (SELECT *, max(id) OVER (PARTITION BY xid) AS last_id FROM outbox) o
 ORDER BY xid NOT IN (SELECT xid FROM outbox ORDER BY id LIMIT 2), last_id, id
"""  # noqa: S608
_AFTER = """
SELECT position, event_id, type, subject, subject_version, tx_first, tx_index, tx_size
  FROM event_log WHERE position > %s ORDER BY position
"""


class BigserialReader:
    """Reads what has a greater id than all that it has read: late commits are behind its back."""

    def __init__(self, reader: Connection[Any]) -> None:
        self._reader = reader
        self._cursor = 0
        self._rows: list[Sequence[Any]] = []

    def read(self) -> None:
        for id, *row in self._reader.execute(_BEYOND, [self._cursor]).fetchall():
            self._cursor = id
            self._rows.append(row)

    def log(self) -> Log:
        return _numbered(self._rows)


def ordered_by_xid(reader: Connection[Any]) -> Log:
    """Number the outbox by transaction id: who began first need not have written first."""
    return _numbered(reader.execute(_BY_XID).fetchall())


def ordered_by_lowest_ids(reader: Connection[Any]) -> Log:
    """Number first, whole, the two transactions that own the lowest ids: the tempting cut."""
    return _numbered(reader.execute(_BY_LOWEST_IDS).fetchall())


def _numbered(rows: Iterable[Sequence[Any]]) -> Log:
    log = Log()
    for _, transaction in groupby(rows, key=lambda row: row[-1]):
        events = list(transaction)
        first = log.last + 1
        for index, (id, type, subject, version, audience, _) in enumerate(events):
            place = (first, index, len(events))
            log.add(Placed(first + index, id, type, subject, version, *place, audience))
    return log


class SkippingRing(Ring):
    """A tailer's memory that leaves one position out of whatever it is asked for."""

    skipped = 3

    def between(self, after: int, end: int) -> Iterator[Entry]:
        return (each for each in super().between(after, end) if each.position != self.skipped)


def honours_position(log: Lineage, position: int) -> bool:
    """Validate a token that is a position and nothing else."""
    return log.first - 1 <= position <= log.last


def honours_number(log: Lineage, epoch: int, position: int) -> bool:
    """Validate a token of an epoch's number, not its random id, and a position."""
    starts = {each.number: each.start for each in log.epochs}
    is_in_its_life = position < starts.get(epoch + 1, position + 1)
    return epoch in starts and is_in_its_life and honours_position(log, position)


def deliver(scene: Scene, stream: Stream, after: int) -> int:
    """Send everything behind ``after`` as one frame; return where it ends."""
    events = [Placed(*row) for row in scene.admin.execute(_AFTER, [after])]
    end = events[-1].position if events else after
    stream.received(after, after, opens=True)
    stream.received(end, after, events)
    return end


class Crash(Exception):
    """The process ends here."""


class NaiveProjector:
    """Follows the scene's own log; its checkpoint and ledger are in the same database."""

    def __init__(self, scene: Scene) -> None:
        self._connection = scene.connect()
        self._scene = scene

    def position(self) -> int:
        row = self._connection.execute("SELECT position FROM consumer_checkpoint").fetchone()
        self._connection.rollback()
        assert row is not None
        return int(row[0])

    def frame(self) -> list[Placed]:
        """Read what is behind the checkpoint."""
        return [Placed(*row) for row in self._scene.admin.execute(_AFTER, [self.position()])]

    def checkpoint_first(self, frame: Sequence[Placed], dies_at: int = 0) -> None:
        """Move the checkpoint, commit, and only then have the effect."""
        for event in frame:
            self._move(event.position)
            self._connection.commit()
            if event.position == dies_at:
                raise Crash
            self._have_effect(event)
            self._connection.commit()

    def without_fence(self, frame: Sequence[Placed]) -> None:
        """Commit effects and checkpoint together, and never ask whose turn it is."""
        for event in frame:
            self._have_effect(event)
        self._move(frame[-1].position)
        self._connection.commit()

    def _move(self, position: int) -> None:
        self._connection.execute("UPDATE consumer_checkpoint SET position = %s", [position])

    def _have_effect(self, event: Placed) -> None:
        self._connection.execute(
            "INSERT INTO ledger (event_id, position) VALUES (%s, %s)",
            [str(event.event_id), event.position],
        )
