"""What the oracle finds: violations, each of one guarantee."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

TOLD = 20  # violations of one check and reader that are told; the rest would only fill memory


class Check(Enum):
    """The guarantees, each with the name that the design gives it."""

    ORDERED = "Ordered"
    UNIQUE = "Unique"
    DENSE = "Dense"
    ATOMIC = "Atomic"
    CAUSAL = "Causal"
    BOOKMARKABLE = "Bookmarkable"
    RESUMABLE = "Resumable"
    RELIABLE = "Reliable"
    FILTERED = "Filtered"
    EXACTLY_ONCE_EFFECT = "ExactlyOnceEffect"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise; ``who`` is the subscriber or consumer, empty for the log itself."""

    check: Check
    who: str
    position: int
    text: str

    def __str__(self) -> str:
        return f"{self.check.value}: {self.who or 'the log'} at {self.position}: {self.text}"


@dataclass
class Verdicts:
    """Collects violations, the first few of each kind and reader."""

    found: list[Violation] = field(default_factory=list)
    _counts: Counter[tuple[Check, str]] = field(default_factory=Counter)

    def add(self, check: Check, who: str, position: int, text: str) -> None:
        self._counts[check, who] += 1
        if self._counts[check, who] <= TOLD:
            self.found.append(Violation(check, who, position, text))
