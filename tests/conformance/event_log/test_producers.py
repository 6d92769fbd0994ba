"""A producer that dies between its COMMIT and the wake-up: the poll finds what it committed.

Proves: no hint and no NOTIFY is needed for an event to arrive, only for it to arrive sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.doomed_producers import Producers, running_producers
from tests.support.event_streams import LATEST, frames, serving
from tests.support.event_writers import Scene
from tests.support.histories import Origin
from tests.support.profiles import count

AT_ONCE = 5
ROUNDS = count(2, 40)
FOUND_SECONDS = 10  # a poll is a quarter of a second; what no poll finds never comes


@pytest.fixture(scope="module")
def producers() -> Iterator[Producers]:
    with running_producers() as running:
        yield running


async def test_what_a_killed_producer_committed_is_found_by_the_poll(
    scene: Scene, producers: Producers
) -> None:
    async with serving(scene.dsn, kind=scene.kind) as silo:
        stream = silo.subscribe(LATEST)
        recorded = scene.history.subscriber("peer").opened(Origin.LATEST)
        [frame] = await frames(stream, 1)
        recorded.frame(frame)
        for turn in range(1, ROUNDS + 1):
            for number in range(AT_ONCE):
                subject = f"killed/{turn}/{number}"
                await asyncio.to_thread(producers.commit_and_die, scene, subject)
            while frame.position < turn * AT_ONCE:
                [frame] = await frames(stream, 1, FOUND_SECONDS)
                recorded.frame(frame)
    assert len(scene.events()) == ROUNDS * AT_ONCE
