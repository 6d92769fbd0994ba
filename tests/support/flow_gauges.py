"""How much of a long stream is between its ends, and what of that the router holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.puppet_silo import Scene
from tests.support.two_ways import Scenario, Ways

BYTES = 4_096
MOST_UNDER_WAY = 1024 * 1024 // BYTES  # in the windows of both connections: a fifth was measured
MOST_GROWTH_MEGABYTES = 4.0  # of 400 MB in the long profile; 1.9 were measured


def numbered(number: int) -> bytes:
    return b"%08d" % number + b"x" * (BYTES - 8)


@dataclass
class Gauge:
    """What was under way whenever the writer had come to rest, and what the router held."""

    under_way: list[int] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    async def take(self, ways: Ways, written: Callable[[], int], read: int) -> None:
        await until_it_rests(ways, written)
        self.under_way.append(written() - read)
        self.megabytes.append(ways.router.megabytes)

    def assert_little_is_held(self, messages: int) -> None:
        """Hold that it was little beside the stream's ``messages``, which tells by its length."""
        assert max(self.under_way) < MOST_UNDER_WAY < messages // 2
        assert max(self.megabytes) - self.megabytes[0] < MOST_GROWTH_MEGABYTES


async def until_it_rests(ways: Ways, written: Callable[[], int]) -> None:
    """Return when other calls came and went, five each way, and nothing more was written."""

    async def nothing(scene: Scene) -> None:
        await scene.hear()

    before = -1
    while before != written():
        before = written()
        for _ in range(5):
            await ways.both(Scenario("Answer", nothing, name="beside"))
