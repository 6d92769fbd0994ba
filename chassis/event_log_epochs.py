"""Opens an epoch by hand, for the one loss that no fingerprint shows.

A virtual machine that is set back to a snapshot of its memory goes on as the same server, and gives
positions to events that others had before. Nothing inside tells: an operator has to.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log stands: ``start`` is the first position of its newest epoch."""

    epoch: int
    last: int
    start: int


class NotCommon(Exception):
    """The position is not one that the newest epoch can be cut back to."""


_LOCK = """
SELECT h.epoch, h.last_position AS last, coalesce(max(e.start_position), 1) AS start
  FROM (SELECT * FROM event_log_head FOR UPDATE) h LEFT JOIN event_log_epoch e ON true
 GROUP BY h.epoch, h.last_position
"""
_OPEN = """
INSERT INTO event_log_epoch (epoch, start_position, fingerprint)
VALUES (%(epoch)s, %(start)s, event_log_fingerprint())
"""
_HEAD = "UPDATE event_log_head SET epoch = %(epoch)s, fingerprint = event_log_fingerprint()"
# What was written since the loss belongs to the new epoch: whoever holds the old events of these
# positions learns that they are no more.
_ADOPT = "UPDATE event_log SET epoch = %(epoch)s WHERE position >= %(start)s"


def open_epoch(dsn: str, last_common: int | None = None) -> Head:
    """Open an epoch behind ``last_common``, or behind the head; return where the log stands.

    ``dsn`` is the owner's. ``last_common`` is the last position whose event was not lost. Raises
    NotCommon when it lies ahead of the log, or before the newest epoch.
    """
    with psycopg.connect(dsn, row_factory=class_row(Head)) as connection:
        head = connection.execute(_LOCK).fetchone()
        if head is None:
            raise LookupError("the log has no head")
        last = head.last if last_common is None else last_common
        if not head.start - 1 <= last <= head.last:
            raise NotCommon(f"{last} is not from {head.start - 1} to {head.last}")
        opened = Head(head.epoch + 1, head.last, last + 1)
        parameters = {"epoch": opened.epoch, "start": opened.start}
        for statement in (_OPEN, _HEAD, _ADOPT):
            connection.execute(statement, parameters)
    return opened
