"""What the events do here, written in one transaction with the place up to which they have done it.

That transaction is all that makes every effect happen once: delivery itself is at least once.
"""

from __future__ import annotations

import sqlite3
from typing import Any

Place = tuple[bytes, int]  # a resume token, and the position it stands for

# ``journal`` has an entry for every event, as a counter would; ``latest`` is a copy: of every
# subject the newest event.
SCHEMA = """
CREATE TABLE IF NOT EXISTS place (resume_token BLOB NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
  entry INTEGER PRIMARY KEY, position INTEGER, event_id TEXT, type TEXT, subject TEXT);
CREATE TABLE IF NOT EXISTS latest (
  subject TEXT PRIMARY KEY, version INTEGER NOT NULL, type TEXT NOT NULL, event BLOB NOT NULL);
"""
# What a snapshot has shown already comes once more as an event: its version is not newer.
KEEP = """
INSERT INTO latest VALUES (?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE
   SET version = excluded.version, type = excluded.type, event = excluded.event
 WHERE excluded.version > latest.version"""


class Effects:
    """An SQLite file: any database with transactions does."""

    def __init__(self, file: str) -> None:
        self._file = sqlite3.connect(file)
        self._file.executescript(SCHEMA)

    def close(self) -> None:
        self._file.close()

    def place(self) -> Place | None:
        """Return where to resume; None before the first frame."""
        found: Place | None = self._file.execute("SELECT * FROM place").fetchone()
        return found

    def apply(self, frame: Any) -> None:
        """Take a frame, which may have no events: its place counts all the same."""
        with self._file:  # one transaction: all of it, or after a crash nothing
            for event in frame.batch.events:
                metadata = event.metadata
                entry = (event.placement.position, metadata.id, metadata.type, metadata.subject)
                self._file.execute("INSERT INTO journal VALUES (NULL, ?, ?, ?, ?)", entry)
                self._file.execute(KEEP, _row(event))
            self._move(frame)

    def replace(self, rows: list[Any], end: Any) -> None:
        """Take a whole snapshot: what it does not name is gone, and versions may go down."""
        with self._file:
            self._file.execute("DELETE FROM latest")
            self._file.executemany(KEEP, map(_row, rows))
            # No snapshot tells what happened, only how things are: the journal has a gap here.
            rebuilt = "INSERT INTO journal (position, type) VALUES (?, 'REBUILT')"
            self._file.execute(rebuilt, [end.position])
            self._move(end)

    def _move(self, frame: Any) -> None:
        self._file.execute("DELETE FROM place")
        self._file.execute("INSERT INTO place VALUES (?, ?)", (frame.resume_token, frame.position))


def _row(event: Any) -> tuple[str, int, str, bytes]:
    metadata = event.metadata
    version, whole = metadata.subject_version, event.SerializeToString()
    return metadata.subject, version, metadata.type, whole
