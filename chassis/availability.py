"""Knows whether the silo's database answers, so that nobody waits for one that does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import AsyncConnection

from chassis import telemetry
from chassis.fitness import failures
from chassis.within import give_up, within

EVERY_SECONDS = 0.1
STEP_SECONDS = 0.4  # two without an answer fit into the second that a caller may wait
SILENT_STEPS = 2
CONNECT_SECONDS = 2.0

_REVISION = "SELECT version_num FROM alembic_version"

Hear = Callable[[], None]


class Availability:
    """Asks the database on a connection of its own, which no exhausted pool can keep from it.

    ``revision`` is the oldest schema that this code runs on. ``is_up`` is False until the
    database has answered with it, or a newer one.
    """

    def __init__(self, dsn: str, revision: str) -> None:
        self._dsn = dsn
        self._revision = revision
        self._suspected = asyncio.Event()
        self._lost: set[Hear] = set()
        self._changed = asyncio.Condition()
        self._said = ""
        self._verdict: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.is_up = False

    def suspect(self) -> None:
        """Probe at once: somebody lost a connection."""
        self._suspected.set()

    def hear_loss(self, hear: Hear) -> Callable[[], None]:
        """Call ``hear`` when the database goes away; returns how to stop that."""
        self._lost.add(hear)
        return lambda: self._lost.discard(hear)

    async def changes(self) -> AsyncIterator[bool]:
        """Yield whether the database is there: now, and after every change."""
        seen: bool | None = None
        while True:
            async with self._changed:
                while self.is_up is seen:
                    await self._changed.wait()
                seen = self.is_up
            yield seen

    async def confirmed(self) -> bool:
        """Probe at once, and return whether the database answers."""
        if not self.is_up:
            return False
        self.suspect()
        return await asyncio.shield(self._verdict)

    async def watch(self) -> None:
        """Probe until cancelled."""
        while True:
            try:
                async with self._connected() as connection:
                    if unfit := await within(CONNECT_SECONDS, failures(connection)):
                        await self._turn(up=False, why="; ".join(unfit))
                        await asyncio.sleep(CONNECT_SECONDS)
                    else:
                        await self._probe_while_it_answers(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                await self._turn(up=False, why=_why(error))
            await self._pause()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        connecting = AsyncConnection.connect(
            self._dsn, autocommit=True, connect_timeout=int(CONNECT_SECONDS)
        )
        connection = await within(CONNECT_SECONDS, connecting)
        try:
            yield connection
        finally:
            await connection.close()

    async def _probe_while_it_answers(self, connection: AsyncConnection) -> None:
        """Return or raise once the connection is of no use any more."""
        while True:
            found = asyncio.create_task(self._revision_of(connection))
            try:
                if not await self._is_answered(found):
                    await self._turn(up=False, why="it does not answer")
                    await give_up(found)
                    return
            finally:
                found.cancel()
            await self._judge(found.result())
            await self._pause()

    async def _is_answered(self, probe: asyncio.Task[str]) -> bool:
        """Wait in steps: a pause of this process spoils one of them, never two."""
        for _ in range(SILENT_STEPS):
            if (await asyncio.wait({probe}, timeout=STEP_SECONDS))[0]:
                return True
        return False

    async def _revision_of(self, connection: AsyncConnection) -> str:
        row = await (await connection.execute(_REVISION)).fetchone()
        return str(row[0]) if row else ""

    async def _judge(self, revision: str) -> None:
        is_new_enough = revision >= self._revision
        why = "" if is_new_enough else f"its schema is {revision or 'empty'}"
        await self._turn(up=is_new_enough, why=why)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._suspected.wait(), EVERY_SECONDS)
        self._suspected.clear()

    async def _turn(self, *, up: bool, why: str = "") -> None:
        if why != self._said or up is not self.is_up:
            self._said = why
            telemetry.log.warning("database", up=up, why=why, wanted_revision=self._revision)
        was_up, self.is_up = self.is_up, up
        self._verdict.set_result(up)
        self._verdict = asyncio.get_running_loop().create_future()
        if up is was_up:
            return
        for hear in tuple(self._lost) if not up else ():
            hear()
        async with self._changed:
            self._changed.notify_all()


def _why(error: Exception) -> str:
    """Name what went wrong; the driver's text may name users and addresses."""
    sqlstate = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {sqlstate or ''}".strip()
