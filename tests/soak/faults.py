"""What is done to a silo under load: each of these breaks streams, and puts itself right."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from tests.soak.sites import Site
from tests.support.fault_proxy import Way
from tests.support.silo_processes import START_SECONDS, Victim

SILENT_SECONDS = 3.5  # longer than three heartbeats
FROZEN_SECONDS = 10.0  # longer than a lease
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Faults:
    """Draws from a shuffled deck, so that all of them come before one comes twice."""

    def __init__(self, site: Site, names: Sequence[str], chance: random.Random) -> None:
        self._site, self._names, self._chance = site, names, chance
        self._deck: list[str] = []
        self._thawing: set[asyncio.Task[None]] = set()

    def draw(self) -> str:
        if not self._deck:
            self._deck = self._chance.sample(self._names, len(self._names))
        return self._deck.pop()

    async def strike(self, name: str) -> None:
        """Do it, and return when everything that it broke can work again."""
        await STRIKES[name](self)

    async def settle(self) -> None:
        """Return when nothing is frozen any more."""
        await asyncio.gather(*self._thawing)

    async def reset(self) -> None:
        self._site.path.reset()

    async def refuse(self) -> None:
        await self._site.path.cut()
        await asyncio.sleep(self._chance.uniform(0.1, 1.0))
        await self._site.path.open()

    async def swallow(self) -> None:
        self._site.path.swallow(self._chance.choice([Way.UP, Way.DOWN, Way.BOTH]))
        await asyncio.sleep(SILENT_SECONDS)

    async def kill_silo(self) -> None:
        await asyncio.to_thread(self._site.silo.kill)
        await self._site.silo.start_serving()

    async def terminate_silo(self) -> None:
        await asyncio.to_thread(self._site.silo.stop)
        await self._site.silo.start_serving()

    async def freeze_silo(self) -> None:
        self._site.silo.freeze()
        try:
            await asyncio.sleep(SILENT_SECONDS)
        finally:
            self._site.silo.thaw()

    async def kill_consumer(self) -> None:
        replica = self._consumer()
        await asyncio.to_thread(replica.kill)
        replica.start()

    async def freeze_consumer(self) -> None:
        """Let a replica believe, when it wakes up, that it still holds the lease."""
        replica = self._consumer()
        replica.freeze()

        async def thaw() -> None:
            try:
                await asyncio.sleep(FROZEN_SECONDS)
            finally:
                replica.thaw()

        self._later(thaw())

    async def restart_database(self) -> None:
        await asyncio.to_thread(self._site.ground.server.stop)
        await asyncio.to_thread(self._site.ground.server.start, START_SECONDS)

    async def kill_database(self) -> None:
        self._site.ground.server.kill()
        await asyncio.to_thread(self._site.ground.server.wait)
        await asyncio.to_thread(self._site.ground.server.start, START_SECONDS)

    async def terminate_connections(self) -> None:
        for dsn in (self._site.dsn, self._site.consumer_dsn):
            with self._site.looking(dsn) as database:
                database.execute(_TERMINATE)

    def _consumer(self) -> Victim:
        """Choose the replica that leads, if one does: what is done to others harms nobody."""
        return self._site.holder() or self._chance.choice([*self._site.replicas.values()])

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._thawing.add(task)
        task.add_done_callback(self._thawing.discard)


STRIKES: dict[str, Callable[[Faults], Awaitable[None]]] = {
    "connections reset": Faults.reset,
    "connections refused": Faults.refuse,
    "connections silent": Faults.swallow,
    "silo killed": Faults.kill_silo,
    "silo terminated": Faults.terminate_silo,
    "silo frozen": Faults.freeze_silo,
    "consumer killed": Faults.kill_consumer,
    "consumer frozen": Faults.freeze_consumer,
    "database restarted": Faults.restart_database,
    "database killed": Faults.kill_database,
    "database connections ended": Faults.terminate_connections,
}
