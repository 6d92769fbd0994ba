"""Whether the center has heard enough of the other silos to say that something did not happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SILENT = timedelta(seconds=30)  # a living stream moves its checkpoint every five to ten seconds
REPLAY = 2_500  # events between two looks; catching up moves by more


@dataclass(frozen=True, slots=True)
class Heard:
    """How far one source's events have been applied, and when the checkpoint last moved."""

    source: str
    position: int
    moved_at: datetime


def is_current(before: Sequence[Heard], now: Sequence[Heard], at: datetime) -> bool:
    """Tell whether every source speaks, and none is being caught up with.

    While one is silent, or history is replayed, an answer may be under way that has been given
    long ago: what seems to be missing may not be.
    """
    positions = {each.source: each.position for each in before}
    return bool(now) and all(
        each.source in positions
        and each.position - positions[each.source] < REPLAY
        and at - each.moved_at < SILENT
        for each in now
    )
