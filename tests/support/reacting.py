"""Turns of a timer at a moment of the test's choosing."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import TypeVar

from chassis.reactions import FIRED, MOVED_ON, Reacting, Reaction
from chassis.unit_of_work import Database

Key = TypeVar("Key", bound=Hashable)


async def turn(reacting: Reacting[Key], database: Database, at: datetime) -> int:
    """Let happen what is due ``at`` a moment; return how many things did."""
    before = fired(reacting.name)
    await Reaction(reacting).turn(database, lambda: at)
    return fired(reacting.name) - before


def fired(name: str) -> int:
    """Return how many things the timer of this name has made happen in this process."""
    return int(FIRED.labels(name)._value.get())  # noqa: SLF001 - the client shows values as text


def moved_on(name: str) -> int:
    """Return how many things had been decided before that timer held their row."""
    return int(MOVED_ON.labels(name)._value.get())  # noqa: SLF001 - the client shows values as text
