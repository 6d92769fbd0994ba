"""Ends a gRPC server: calls have a grace, and streams, which were told to end, less of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc

# Whoever reads has ended by then, a thousand subscribers within a second. A client that does not,
# behind a connection that swallows everything, ends by nothing that it is told.
STREAMS_SECONDS = 3.0
LOOK_SECONDS = 0.1  # also what the last call's answer has to leave


async def stop(server: grpc.aio.Server, grace: float, calls: Callable[[], int]) -> None:
    """Take no new calls, and return when none is open.

    ``calls`` says how many unary ones are under way: they have ``grace`` seconds. Streams are cut
    off after ``STREAMS_SECONDS``, as soon as no call is under way, for the runtime cuts off all.
    """
    stopping = asyncio.ensure_future(server.stop(grace))
    await asyncio.wait({stopping}, timeout=STREAMS_SECONDS)
    is_busy = True
    while is_busy and not stopping.done():
        is_busy = calls() > 0
        await asyncio.wait({stopping}, timeout=LOOK_SECONDS)
    await server.stop(None)
    await stopping
