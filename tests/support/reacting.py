"""Turns of a timer at a moment of the test's choosing."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import TypeVar

import psycopg
from psycopg.sql import SQL, Identifier

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
    return int(FIRED.labels(name)._value.get())


def moved_on(name: str) -> int:
    """Return how many things had been decided before that timer held their row."""
    return int(MOVED_ON.labels(name)._value.get())


def shown(dsn: str, table: str) -> int:
    """Return how many rows of a tenant table the service sees that names no tenant."""
    with psycopg.connect(dsn, autocommit=True) as service:
        query = SQL("SELECT count(*) FROM {}").format(Identifier(table))
        row = service.execute(query).fetchone()
    assert row is not None
    return int(row[0])
