"""How many calls of one silo are under way, and who waits for a slot."""

from __future__ import annotations

import asyncio
import time

import pytest

from router.bulkhead import Bulkhead
from router.policies import Limits


@pytest.fixture
def bulkhead() -> Bulkhead:
    return Bulkhead(Limits(unary=2, waiting=2, wait_s=5, streams=1))


async def test_who_waits_longest_gets_the_slot(bulkhead: Bulkhead) -> None:
    assert await bulkhead.enter()
    assert await bulkhead.enter()
    first, second = asyncio.create_task(bulkhead.enter()), asyncio.create_task(bulkhead.enter())
    await asyncio.sleep(0)
    assert not await bulkhead.enter()  # the queue is full, and nobody waits in vain

    bulkhead.leave()

    assert await first
    assert not second.done()
    bulkhead.leave()
    assert await second
    assert bulkhead.calls == 2


async def test_waiting_ends(bulkhead: Bulkhead) -> None:
    short, begun = Bulkhead(Limits(unary=1, waiting=1)), time.monotonic()
    assert await short.enter()
    assert not await short.enter()
    assert time.monotonic() - begun < 1  # of the policy's 50 ms
    short.leave()
    assert short.calls == 0


async def test_a_caller_who_leaves_while_waiting_keeps_no_slot(bulkhead: Bulkhead) -> None:
    for _ in range(2):
        assert await bulkhead.enter()
    gone, next_ = asyncio.create_task(bulkhead.enter()), asyncio.create_task(bulkhead.enter())
    await asyncio.sleep(0)
    bulkhead.leave()  # the slot is given to the first in the queue ...
    gone.cancel()  # ... who leaves in the same moment
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await next_
    bulkhead.leave()
    bulkhead.leave()
    assert bulkhead.calls == 0


async def test_streams_are_counted_apart(bulkhead: Bulkhead) -> None:
    assert bulkhead.enter_stream()
    assert not bulkhead.enter_stream()
    assert await bulkhead.enter()
    bulkhead.leave_stream()
    assert bulkhead.enter_stream()
