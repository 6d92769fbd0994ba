"""Writers, subscribers and replicas of a consumer, past disconnects of every kind.

Proves events.md section 14, test 9, against the silo as a process and a PostgreSQL server of its
own, both of which are killed. Every kind of disconnect comes once over the three silos; ``make
soak`` runs the same by the hundred, past a million events.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.soak.chunks import Chunk, soak
from tests.soak.faults import STRIKES
from tests.soak.sites import Ground, ground_in, site_of
from tests.support.silo_logs import KINDS, Kind

EVENTS = 900
SEED = "short"
DEALT = {kind.silo: [*STRIKES][number :: len(KINDS)] for number, kind in enumerate(KINDS)}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground_in(tmp_path_factory.mktemp("ground")) as opened:
        yield opened


async def test_nothing_is_lost_or_repeated_past_forced_disconnects(
    kind: Kind, ground: Ground
) -> None:
    faults = DEALT[kind.silo]
    chunk = Chunk(EVENTS, len(faults), f"{SEED} {kind}", faults)
    async with site_of(ground, kind, replicas=2) as site:
        verdict = await soak(site, chunk)
    assert verdict.violations == []
    assert verdict.events >= EVENTS
    assert set(verdict.faults) == set(faults)
    assert verdict.streams_broken >= len(faults)
