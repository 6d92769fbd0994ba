"""Counts what happened during the day, as its players saw it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """One per day; every player writes to it."""

    seen: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    seconds_to_award: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float | None:
        """Return the seconds from request to award that ``share`` of the trips stayed below."""
        ordered = sorted(self.seconds_to_award)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
