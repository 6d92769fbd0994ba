"""Limits how many calls of one silo are under way, so that a slow one cannot take everything."""

from __future__ import annotations

import asyncio
from collections import deque

from router.policies import Limits


class Bulkhead:
    """Slots for unary calls, with a short queue; a plain count for streams."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queue: deque[asyncio.Future[None]] = deque()
        self.calls = 0
        self.streams = 0

    async def enter(self) -> bool:
        """Take a slot, after a short wait at most; False when there is none."""
        if self.calls < self._limits.unary:
            self.calls += 1
            return True
        if len(self._queue) >= self._limits.waiting:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await asyncio.wait({turn}, timeout=self._limits.wait_s)
        except asyncio.CancelledError:
            if turn.done():  # the slot arrived together with the end of the call
                self.leave()
            raise
        finally:
            if not turn.done():
                self._queue.remove(turn)
                turn.cancel()
        return not turn.cancelled()

    def leave(self) -> None:
        """Pass the slot on to who has waited longest."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self.calls -= 1

    def enter_stream(self) -> bool:
        if self.streams >= self._limits.streams:
            return False
        self.streams += 1
        return True

    def leave_stream(self) -> None:
        self.streams -= 1
