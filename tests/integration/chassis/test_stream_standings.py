"""Open streams are counted by how they stand, at the moment somebody asks.

Proves: a stream is catching up, live, or stalled at a write that its reader does not take; one
that ended is not counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from medport.common.v1 import event_log_pb2 as pb
from prometheus_client import REGISTRY

from chassis import stream_standings
from chassis.stream_entries import Interest
from chassis.stream_frames import Limits
from chassis.stream_subscriptions import Subscription, Wish
from tests.support.event_consumers import until
from tests.support.event_logs import lay
from tests.support.event_streams import LATEST, Silo, serving, until_kind

INTEREST = Interest(frozenset({"silo:ems"}))


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


def count(state: str) -> float:
    return REGISTRY.get_sample_value("medport_subscribers", {"state": state}) or 0.0


async def test_a_stream_at_the_head_is_live_until_it_ends(silo: Silo) -> None:
    await until(lambda: count("live") == count("catching_up") == 0)  # of those before
    stream = silo.subscribe(LATEST)
    await until_kind(stream, "caught_up")
    assert (count("live"), count("catching_up"), count("stalled")) == (1, 0, 0)
    stream.cancel()
    await until(lambda: count("live") == 0)


async def test_a_stream_whose_reader_does_not_read_is_stalled(
    silo: Silo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_standings, "STALLED_SECONDS", 0.05)
    reads = asyncio.Event()

    async def write(_frame: bytes) -> None:
        await reads.wait()

    wish = Wish(interest=INTEREST, limits=Limits(), heartbeat=30)
    stream = Subscription(silo.publishing.source, wish, 0, write, lambda: INTEREST)
    with stream_standings.counted() as stream.standing:
        assert stream.standing.state == "catching_up"
        serving = asyncio.create_task(stream.run(pb.Started()))
        await until(lambda: count("stalled") == 1)
        reads.set()
        await until(lambda: (count("live"), count("stalled")) == (1, 0))
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    assert count("live") == 0
