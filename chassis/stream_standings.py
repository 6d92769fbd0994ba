"""How the open streams stand, counted when somebody asks: nothing is paid while they stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from chassis import event_log_metrics as metrics

STALLED_SECONDS = 5.0  # from here on a write is no pause: its reader does not read


@dataclass(eq=False, slots=True)
class Standing:
    """One stream: whether it has reached the head, and since when a write has been waiting.

    ``state`` is ``stalled`` when that is long ago; else ``live``, or ``catching_up`` before the
    first CaughtUp and after a FellBehind.
    """

    is_live: bool = False
    blocked_since: float | None = None  # on the monotonic clock

    @property
    def state(self) -> str:
        since = self.blocked_since
        if since is not None and time.monotonic() - since > STALLED_SECONDS:
            return "stalled"
        return "live" if self.is_live else "catching_up"


_OPEN: set[Standing] = set()  # of this process, as its metrics are


@contextmanager
def counted() -> Iterator[Standing]:
    """Count a stream as open while the block runs."""
    standing = Standing()
    _OPEN.add(standing)
    try:
        yield standing
    finally:
        _OPEN.discard(standing)


def _count(state: str) -> float:
    # The scrape runs in a thread of its own: it looks at a copy, which is made in one step.
    return sum(each.state == state for each in tuple(_OPEN))


for _state in ("live", "catching_up", "stalled"):
    metrics.SUBSCRIBERS.labels(_state).set_function(partial(_count, _state))
