"""Ends an RPC from outside with an error of its own, and never loses a real cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from chassis.call import Call
from chassis.errors import OutcomeUnknown, Refusal
from chassis.within import PATIENCE_SECONDS


class Interruption:
    """Cancels its task twice: the first asks PostgreSQL to stop, the second closes the socket.

    See ``chassis.within``: a single cancellation leaves an RPC waiting on a hung server.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._error: Exception | None = None
        self._cancellations = 0
        self._timer: asyncio.TimerHandle | None = None
        self._patience = PATIENCE_SECONDS
        self._over = False

    def interrupt(self, error: Exception, patience: float = PATIENCE_SECONDS) -> None:
        """Make the RPC end with ``error``; the first one given counts.

        ``patience`` is how long the server may take to acknowledge.
        """
        if self._over or self._error is not None:
            return
        self._error = error
        self._patience = patience
        self._cancel()

    @asynccontextmanager
    async def watched(self, call: Call) -> AsyncIterator[None]:
        """Raise the interruption's error in the place of whatever its cancellation caused.

        A COMMIT that was not answered in time may have happened: then that is what is raised.
        """
        try:
            yield
        except BaseException as error:
            await self._end()
            if self._error is None or self._is_cancelled() or isinstance(error, Refusal):
                raise
            raise OutcomeUnknown if call.is_committing else self._error from None
        await self._end()

    def _cancel(self) -> None:
        if self._task is None or self._over:
            return
        self._cancellations += 1
        self._task.cancel()
        if self._cancellations == 1:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience, self._cancel)

    async def _end(self) -> None:
        """Take back our cancellations, and absorb one that came when the RPC was already done."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None or not self._cancellations:
            return
        for _ in range(self._cancellations):
            self._task.uncancel()
        if not self._is_cancelled():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    def _is_cancelled(self) -> bool:
        """Tell whether somebody else, the caller or the stopping server, cancelled the task."""
        return self._task is not None and self._task.cancelling() > 0
