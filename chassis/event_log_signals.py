"""Wake-ups between the log's loops: hints only, a poll finds what a lost one announced."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from chassis.backoff import around
from chassis.event_log_connections import keep_connected
from chassis.within import within

POLL_SECONDS = 0.25
NOTIFY_SECONDS = 0.005  # at most one NOTIFY of a kind in this time
LISTEN_SECONDS = 5.0

OUTBOX = "medport_outbox"
LOG = "medport_log"
_NOTIFY = {OUTBOX: "NOTIFY medport_outbox", LOG: "NOTIFY medport_log"}
_LISTEN = ("LISTEN medport_outbox", "LISTEN medport_log")


class Signal:
    """Asks one loop to look; any number of asks before it looks are one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float = POLL_SECONDS) -> bool:
        """Return whether asked, after ``seconds`` plus or minus a fifth at the latest."""
        try:
            async with asyncio.timeout(around(seconds, 0.2)):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Notifier:
    """Tells other processes, from a connection of its own, after the commit.

    NOTIFY inside a business transaction takes a server-wide lock at commit: a third of the commit
    rate is left at 64 writers.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._due: set[str] = set()
        self._wake = asyncio.Event()

    def tell(self, channel: str) -> None:
        self._due.add(channel)
        self._wake.set()

    async def run(self) -> None:
        await keep_connected(self._dsn, self._notify)

    async def _notify(self, connection: AsyncConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, set()
            for channel in sorted(due):
                await within(LISTEN_SECONDS, connection.execute(_NOTIFY[channel]))
            await asyncio.sleep(NOTIFY_SECONDS)


class Listener:
    """Hears what other processes tell, and passes it on to this process's loops."""

    def __init__(self, dsn: str, signals: dict[str, Signal]) -> None:
        self._dsn = dsn
        self._signals = signals

    async def run(self) -> None:
        await keep_connected(self._dsn, self._listen)

    async def _listen(self, connection: AsyncConnection) -> None:
        for statement in _LISTEN:
            await connection.execute(statement)
        for signal in self._signals.values():  # what was told before LISTEN took effect
            signal.set()
        while True:
            async for heard in connection.notifies(timeout=LISTEN_SECONDS):
                self._signals[heard.channel].set()
            await within(LISTEN_SECONDS, connection.execute("SELECT 1"))  # is it still there?
