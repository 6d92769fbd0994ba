"""How long to wait before trying again: ever longer, and never at the same time as others."""

from __future__ import annotations

import random


class Backoff:
    """Full jitter: each wait is drawn from 0 to a bound that doubles from ``first`` to ``most``.

    Seconds throughout. See "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, first: float = 0.1, most: float = 30.0) -> None:
        self._first = first
        self._most = most
        self._bound = first

    def next(self) -> float:
        """Return the next wait, at least a tenth of its bound, so that no loop ever spins."""
        bound, self._bound = self._bound, min(self._bound * 2, self._most)
        return random.uniform(bound / 10, bound)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Start over: what was waited for has come."""
        self._bound = self._first


def around(seconds: float, spread: float) -> float:
    """Return ``seconds`` plus or minus up to ``spread`` of it."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 - spreads load only
