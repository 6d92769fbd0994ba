"""Limits how often somebody may do something: so many at once, then evenly."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

MOST_REMEMBERED = 10_000  # whoever was heard longest ago is forgotten first, and begins anew


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` uses at once; each comes back after ``1 / per_second``."""

    per_second: float
    burst: int


class Rates:
    """An allowance per subject, as the generic cell rate algorithm keeps it: a single time each."""

    def __init__(
        self,
        rate: Rate,
        clock: Callable[[], float] = time.monotonic,
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        self._clock, self._most = clock, most_remembered
        self._interval = 1 / rate.per_second
        self._tolerance = (rate.burst - 1) * self._interval
        self._full_at: dict[Hashable, float] = {}  # least recently used first

    def take(self, subject: Hashable) -> float:
        """Use one up and return 0, or return the seconds until there will be one to use."""
        now = self._clock()
        full_at = max(self._full_at.pop(subject, now), now)
        wait = full_at - self._tolerance - now
        self._full_at[subject] = full_at if wait > 0 else full_at + self._interval
        if len(self._full_at) > self._most:
            del self._full_at[next(iter(self._full_at))]
        return max(wait, 0.0)

    def give_back(self, subject: Hashable) -> None:
        """Undo a use that turned out not to count."""
        if subject in self._full_at:
            self._full_at[subject] -= self._interval
