"""Counts the guesses at an account's password, whether the account exists or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import MetaData, Table, bindparam, case, delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from chassis.errors import RateLimited
from chassis.sql import compiled
from chassis.unit_of_work import Database, UnitOfWork

MOST_FAILURES = 10
WINDOW = timedelta(minutes=15)


class LoginThrottle:
    """Ten failures per address in 15 minutes, then none until the window has passed.

    An attempt is counted before its password is looked at, and the count cleared once it was
    right: of any number of guesses at the same moment, ten are looked at.
    """

    def __init__(self, metadata: MetaData) -> None:
        table = metadata.tables["login_throttle"]
        self._count = compiled(_counted(table), into=_number)
        by_email = table.c.email == bindparam("email")
        self._window = compiled(select(table.c.window_started_at).where(by_email), into=_moment)
        self._clear = compiled(delete(table).where(by_email))
        self._sweep = compiled(delete(table).where(table.c.window_started_at < bindparam("since")))

    async def count(self, database: Database, email: str, at: datetime) -> None:
        """Count an attempt; raises RateLimited when there were too many."""
        async with database.aside(None) as uow:
            if await uow.optional(self._count, email=email, at=at, since=at - WINDOW):
                return
            began = await uow.optional(self._window, email=email)
        wait = (began or at) + WINDOW - at
        seconds = str(max(1, ceil(wait.total_seconds())))
        raise RateLimited("too many failed logins: wait", retry_after_seconds=seconds)

    async def clear(self, uow: UnitOfWork, email: str) -> None:
        await uow.execute(self._clear, email=email)

    async def sweep(self, uow: UnitOfWork, at: datetime) -> int:
        """Forget the windows that have passed; return how many."""
        return await uow.execute(self._sweep, since=at - WINDOW)


def _counted(table: Table) -> ReturningInsert[Any]:
    new = insert(table).values(
        email=bindparam("email"), attempts=1, window_started_at=bindparam("at")
    )
    passed = table.c.window_started_at <= bindparam("since")
    return new.on_conflict_do_update(
        index_elements=[table.c.email],
        set_={
            "attempts": case((passed, 1), else_=table.c.attempts + 1),
            "window_started_at": case((passed, bindparam("at")), else_=table.c.window_started_at),
        },
        where=or_(passed, table.c.attempts < MOST_FAILURES),
    ).returning(table.c.attempts)


def _number(attempts: int) -> int:
    return attempts


def _moment(started_at: datetime) -> datetime:
    return started_at
