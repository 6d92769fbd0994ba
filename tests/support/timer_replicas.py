"""Two processes of each silo over one database each: whatever is due, all of them look for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import AsyncConnection

from mesh.postgres import free_port
from tests.support.databases import SILOS, Databases, superuser_of
from tests.support.due_things import DueThing
from tests.support.silo_processes import SiloVictim
from tests.support.silos import Keys
from tests.support.waiting import until

REPLICAS = 2
_ABOUT_TO_COMMIT = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
 AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO outbox%'
"""


class Replica(SiloVictim):
    """One of a silo's processes, which follows the first process of each of the others."""

    def __init__(
        self, silo: str, dsn: str, keys: Keys, port: int, folder: Path, **first: int
    ) -> None:
        folder.mkdir()
        super().__init__(silo, dsn, keys, port, folder)
        told = ",".join(f"{name}=127.0.0.1:{at}" for name, at in first.items() if name != silo)
        self._environment = {**self._environment, "MEDPORT_PEERS": told}


@dataclass
class Replicas:
    """All of them; ``dsns`` are their silos' databases, ``admin`` a superuser's connections."""

    dsns: Mapping[str, str]
    admin: Mapping[str, psycopg.Connection]
    folder: Path
    of: dict[str, list[Replica]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = Keys()
        ports = {silo: [free_port() for _ in range(REPLICAS)] for silo in SILOS}
        first = {silo: ports[silo][0] for silo in SILOS}
        for silo, dsn in self.dsns.items():
            self.of[silo] = [
                Replica(silo, dsn, keys, port, self.folder / f"{silo}-{number}", **first)
                for number, port in enumerate(ports[silo])
            ]

    async def start(self) -> None:
        """Start all, and return when each serves."""
        started = [each for replicas in self.of.values() for each in replicas]
        await asyncio.gather(*(each.start_serving() for each in started))

    async def start_one(self, silo: str) -> None:
        await self.of[silo][0].start_serving()

    def kill(self, *silos: str) -> None:
        for silo in silos:
            for each in self.of[silo]:
                each.kill()

    @asynccontextmanager
    async def about_to_commit(self, thing: DueThing) -> AsyncIterator[None]:
        """Let nobody announce anything in a silo; yield when a process has all but done so.

        What a timer announces is the last that it writes before it commits.
        """
        admin = self.admin[thing.silo]

        async def waits() -> bool:
            return admin.execute(_ABOUT_TO_COMMIT).fetchone() != (0,)

        dsn = superuser_of(self.dsns[thing.silo])
        async with await AsyncConnection.connect(dsn) as holder:
            await holder.execute("LOCK TABLE outbox IN SHARE MODE")
            await until(waits)
            yield
            await holder.rollback()


@contextmanager
def running(databases: Databases, folder: Path) -> Iterator[Replicas]:
    """Run them until the block ends."""
    with ExitStack() as stack:
        dsns = {silo: stack.enter_context(databases.fresh(silo)) for silo in SILOS}
        admin = {
            silo: stack.enter_context(psycopg.connect(superuser_of(dsn), autocommit=True))
            for silo, dsn in dsns.items()
        }
        replicas = Replicas(dsns, admin, folder)
        stack.callback(replicas.kill, *SILOS)
        asyncio.run(replicas.start())
        yield replicas
