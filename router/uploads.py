"""Sends a client's stream on, without two ways in which the runtime would falsify it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import grpc

# A client that cancelled looks, for a moment, like one that finished (half of 100 measured).
HALF_CLOSE_DELAY_S = 0.02


# How reading or writing tells that either side's call is over; its status is known elsewhere.
_ENDINGS = (
    grpc.aio.AbortError,
    grpc.aio.AioRpcError,
    grpc.aio.InternalError,
    asyncio.CancelledError,
)


class Uploads:
    """The uploads under way; each ends by itself once its call has ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, messages: AsyncIterator[bytes], call: Any, passed: Callable[[], None]) -> None:
        # Nobody cancels it: cancelling a read leaks native memory (grpc/grpc#43360), and the end
        # of the client's call ends the read.
        task = asyncio.create_task(send_all(messages, call, passed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def send_all(
    messages: AsyncIterator[bytes], call: Any, passed: Callable[[], None] = lambda: None
) -> None:
    """Send ``messages`` until they, or the call, end; each one sent is told to ``passed``.

    A write that meets a call the silo has just ended replaces the silo's status by INTERNAL
    "Internal error from Core" (grpc/grpc#36066), in ``write`` and with a request iterator alike;
    the call underneath lets the write fail and keeps the status. A test fails when an upgrade
    breaks or obsoletes this.
    """
    with suppress(*_ENDINGS):
        await call.wait_for_connection()
        async for message in messages:
            await call._cython_call.send_serialized_message(message)  # noqa: SLF001 - see above
            passed()
        await asyncio.sleep(HALF_CLOSE_DELAY_S)
        await call.done_writing()
