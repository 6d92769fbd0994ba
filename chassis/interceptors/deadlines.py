"""Gives every RPC that ends by itself a time to end, on a clock that nobody sets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis import call
from chassis.errors import DeadlineExceeded
from chassis.interceptors.guards import Rpc

DEFAULT_SECONDS = 5.0
READ_SECONDS = 2.0  # the default of what changes nothing
MOST_SECONDS = 30.0
LEAST_SECONDS = 0.02  # less is refused: a transaction would outlive its caller
ANSWER_SECONDS = 0.05  # what SQL leaves, so that the caller hears why


@asynccontextmanager
async def guard(rpc: Rpc) -> AsyncIterator[None]:
    """Make the RPC under way known to the code below, and end it when its time has run out.

    Streams have heartbeats instead of a deadline; what the caller set still ends them.
    """
    call.enter(rpc.call)
    async with rpc.interruption.watched(rpc.call):
        if rpc.method.type != "unary":
            yield
            return
        default = READ_SECONDS if rpc.method.is_read else DEFAULT_SECONDS
        seconds = _seconds(rpc.context.time_remaining(), default)
        rpc.call.deadline = time.monotonic() + seconds
        late = DeadlineExceeded("the time ran out")
        alarm = asyncio.get_running_loop().call_later(seconds, rpc.interruption.interrupt, late)
        try:
            yield
        finally:
            alarm.cancel()


def _seconds(left: float | None, default: float) -> float:
    """Return how long to work; ``left`` is what the caller allows, None for no limit."""
    if left is None:
        return default
    if left < LEAST_SECONDS:
        raise DeadlineExceeded("too little time is left to begin")
    return min(left, MOST_SECONDS) - min(ANSWER_SECONDS, left / 4)
