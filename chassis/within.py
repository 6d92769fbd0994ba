"""Bounds work on the database in time, even when its server has stopped answering."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any, TypeVar

from psycopg import AsyncConnection

Result = TypeVar("Result")

PATIENCE_SECONDS = 0.25  # how long each of two cancellations may take
_leaving: set[asyncio.Future[Any]] = set()  # the loop itself keeps only weak references


async def within(seconds: float, work: Awaitable[Result]) -> Result:
    """Return what ``work`` returns; raises TimeoutError soon after ``seconds``.

    ``asyncio.timeout`` cancels once, and psycopg then waits 5 s for a server that is stopped to
    acknowledge. The second cancellation closes the socket (measured: 1.25 s instead of 11).
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        leaving = asyncio.ensure_future(give_up(task))
        _leaving.add(leaving)
        leaving.add_done_callback(_leaving.discard)
        raise
    if not done:
        await give_up(task)
        raise TimeoutError
    return task.result()


async def give_up(task: asyncio.Future[Any]) -> None:
    """End work on the database whose outcome nobody waits for any more."""
    for _ in range(2):  # the first asks the server, the second closes the socket
        task.cancel()
        if (await asyncio.wait({task}, timeout=PATIENCE_SECONDS))[0]:
            # Its error, if it is one, has then been seen.
            outcome: object = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(outcome, AsyncConnection):  # it was opened just as its caller left
                await outcome.close()
            return


async def end(tasks: Collection[asyncio.Task[Any]], patience: float = 1.0) -> None:
    """Cancel tasks and wait for their ends: three times ``patience`` seconds at most.

    Once is not enough. The first cancellation asks a server to stop, which a hung one never
    acknowledges; and one that meets the end of what ``asyncio.wait_for`` waits for is lost (until
    Python 3.12), so that a loop goes on.
    """
    for _ in range(3):
        waiting = [task for task in tasks if not task.done()]
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting, timeout=patience)
