"""Counts the streams that each user has open, so that nobody's take a whole process."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from chassis.event_log_errors import StreamLimit

# The design's five are one page of a dispatcher: trips, bids, jobs, units, notifications.
# So many of each kind are several pages, and still few of the 2,000 that a process takes.
PER_USER = 32


class OpenStreams:
    """Those of one kind in a silo's process; those of all kinds in a router's."""

    def __init__(self) -> None:
        self._of: Counter[UUID] = Counter()

    @property
    def total(self) -> int:
        return self._of.total()

    def enter(self, user_id: UUID) -> None:
        """Count one more until ``leave``; raises StreamLimit beyond PER_USER."""
        if self._of[user_id] >= PER_USER:
            raise StreamLimit
        self._of[user_id] += 1

    def leave(self, user_id: UUID) -> None:
        self._of[user_id] -= 1
        if not self._of[user_id]:
            del self._of[user_id]
