"""A thousand subscribers of one silo's process: what they cost, and that none of them loses.

The silo and its crowd are processes of their own, so that the memory measured is the silo's
alone. Counts are exact; bounds on memory are generous, and nothing is asserted about time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.crowds import Announcer, Crowd, SiloProcess, crowding
from tests.support.fault_proxy import FaultProxy, in_front_of
from tests.support.profiles import count
from tests.support.silo_logs import HOSPITAL, Kind

# One silo stands for the others where the size of the crowd is what costs.
FEW, MANY = count(40, 1_000), 1_000
ROUNDS = count(2, 20)
RING_MEGABYTES = 64
PER_STREAM_MEGABYTES = 0.08
STALLED_MEGABYTES = 40.0  # all of the stalled ones together
NOISE_MEGABYTES = 12.0  # an allocator's own
# What gRPC's core keeps of each stream that was cut off: measured over 40,000 of them, by malloc's
# own count; Python's objects stay as many as they were.
CUT_MEGABYTES = 0.0003

pytestmark = pytest.mark.timeout(count(240, 1_200))


@dataclass
class Gathering:
    """A crowd whom one silo serves through a network that may fail."""

    silo: SiloProcess
    network: FaultProxy
    announcer: Announcer
    crowd: Crowd
    size: int
    stalled: int

    async def gather(self) -> None:
        await self.crowd.ask(
            address=f"127.0.0.1:{self.network.listening}",
            silo=self.silo.silo,
            tokens=self.announcer.tokens(),
            size=self.size,
            stalled=self.stalled,
        )

    async def announced(self, count: int) -> dict[str, Any]:
        """Return what the crowd has seen once every reader has seen ``count`` events more."""
        self.announcer.announce(count)
        return await self.crowd.ask(until=self.announcer.version)


@asynccontextmanager
async def gathering(
    kind: Kind, dsn: str, folder: Path, *, stalls: bool
) -> AsyncIterator[Gathering]:
    size = MANY if kind is HOSPITAL else FEW
    silo = SiloProcess(kind.silo, dsn, folder)
    try:
        await silo.start()
        async with in_front_of(silo.port) as network, crowding() as crowd:
            stalled = size // 5 if stalls else 0
            yield Gathering(silo, network, Announcer(kind, dsn), crowd, size, stalled)
    finally:
        silo.kill()


async def test_subscribers_that_do_not_read_cost_nobody_anything(
    kind: Kind, database: str, tmp_path: Path
) -> None:
    async with gathering(kind, database, tmp_path, stalls=True) as here:
        alone = here.silo.megabytes
        await here.gather()
        seen = await here.announced(20)
        crowded = here.silo.megabytes
        for _ in range(4):  # more than the windows of those that do not read take in
            seen = await here.announced(150)

        reading = here.size - here.stalled
        assert seen["events"] == reading * here.announcer.version
        assert seen["faults"] == seen["ends"] == {}
        assert crowded - alone <= here.size * PER_STREAM_MEGABYTES + NOISE_MEGABYTES
        assert here.silo.megabytes - crowded <= STALLED_MEGABYTES

        here.announcer.announce_ballast(RING_MEGABYTES + 8)
        await here.announced(1)
        await here.crowd.ask(read=True)
        seen = await here.announced(1)

        assert seen["events"] == here.size * here.announcer.version
        assert seen["faults"] == seen["ends"] == {}
        assert seen["frames"]["fell_behind"] >= here.stalled  # what they missed came from pages


async def test_a_crowd_cut_off_at_once_comes_back_and_misses_nothing(
    kind: Kind, database: str, tmp_path: Path
) -> None:
    async with gathering(kind, database, tmp_path, stalls=False) as here:
        await here.gather()
        memory = []
        for _ in range(ROUNDS + 1):
            here.network.reset()
            seen = await here.announced(5)
            memory.append(here.silo.megabytes)
        assert memory[-1] - memory[0] <= NOISE_MEGABYTES + CUT_MEGABYTES * ROUNDS * here.size

        here.silo.kill()
        here.announcer.announce(5)
        await here.silo.start()
        seen = await here.announced(5)

        assert seen["events"] == here.size * here.announcer.version
        assert seen["faults"] == {}
        assert seen["ends"]["UNAVAILABLE"] >= here.size * (ROUNDS + 1)
