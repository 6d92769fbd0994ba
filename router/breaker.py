"""The breaker of one silo: after failures enough, calls are refused at once instead of waiting."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from router.policies import TRIPPING, Tripping


class State(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(eq=False, slots=True)
class Ticket:
    """One call that was let through; ``probe`` while it decides about all the others."""

    started: float
    probe: bool


class Breaker:
    """Counts only what says something about the silo's health as a peer.

    A status that the silo itself gave is a success, whatever its code; a call that the client
    gave up is neither. A probe must answer within ``slow_s``: slow is broken.
    """

    def __init__(
        self, tripping: Tripping = TRIPPING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tripping, self._clock = tripping, clock
        self.answered = 0  # how often the silo has spoken, in all
        self._under_way: dict[Ticket, None] = {}  # unary calls, oldest first
        self._state = State.CLOSED
        self._consecutive = 0
        self._buckets: deque[list[int]] = deque()  # [second, answered, failed]
        self._pause, self._retry_at = tripping.first_pause_s, 0.0
        self._stream_tries = False  # and a unary call need not wait for what it finds

    @property
    def state(self) -> State:
        return self._state

    def admit(self, *, stream: bool) -> Ticket | None:
        """Let a call through, or return None; every ticket comes back through ``leave``."""
        now = self._clock()
        if self._state is State.CLOSED and self._too_slow(now):
            self._open(now)
        if self._state is not State.CLOSED and not self._probe(now, stream=stream):
            return None
        ticket = Ticket(now, probe=self._state is not State.CLOSED)
        if not stream:  # streams last: their age says nothing
            self._under_way[ticket] = None
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Forget a call, whether or not it said anything."""
        self._under_way.pop(ticket, None)

    def succeeded(self, ticket: Ticket) -> None:
        """Note that the silo answered."""
        now = self._clock()
        self.answered += 1
        if self._state is State.CLOSED:
            self._consecutive = 0
            self._bucket(now)[1] += 1
        elif ticket.probe and not self.is_slow(ticket):
            self._reset(State.CLOSED)
            self._pause = self._tripping.first_pause_s

    def failed(self, ticket: Ticket) -> None:
        """Note that the silo could not be reached."""
        now = self._clock()
        if self._state is State.HALF_OPEN and ticket.probe:
            self._state, self._retry_at = State.OPEN, now + self._pause
            self._stream_tries = False
        elif self._state is State.CLOSED:
            self._consecutive += 1
            self._bucket(now)[2] += 1
            if self._consecutive >= self._tripping.consecutive or self._mostly_failing(now):
                self._open(now)

    def is_slow(self, ticket: Ticket) -> bool:
        """Say whether a call has waited too long; a client's own short deadline proves nothing."""
        return self._clock() - ticket.started >= self._tripping.slow_s

    def trip(self) -> None:
        """Note that the silo is silent, whether or not anybody calls it."""
        if self._state is State.CLOSED:
            self._open(self._clock())

    def revived(self) -> None:
        """Note that a silo which was silent speaks again: the next call may try it at once."""
        self._pause, self._retry_at = self._tripping.first_pause_s, 0.0
        if self._state is State.OPEN:  # who looks, and calls nothing, shall not read of refusals
            self._state = State.HALF_OPEN

    def _reset(self, state: State) -> None:
        self._state, self._stream_tries = state, False
        self._consecutive = 0
        self._buckets.clear()

    def _open(self, now: float) -> None:
        self._reset(State.OPEN)
        self._under_way.clear()  # what hangs now must not open the breaker once more
        self._pause = self._tripping.first_pause_s
        self._retry_at = now + self._pause

    def _probe(self, now: float, *, stream: bool) -> bool:
        """Let one call see whether the silo is well; the next may when that one took too long.

        A stream may be silent although all is well: it sees, too, but is in no unary call's way.
        """
        if now >= self._retry_at:
            self._pause = min(self._pause * 2, self._tripping.longest_pause_s)
        elif stream or not self._stream_tries:
            return False
        self._state, self._stream_tries = State.HALF_OPEN, stream
        self._retry_at = now + self._pause
        return True

    def _too_slow(self, now: float) -> bool:
        """Look at the 32nd oldest call: a hung silo gives no errors that could be counted."""
        if len(self._under_way) < self._tripping.slow_calls:
            return False
        nth = next(islice(self._under_way, self._tripping.slow_calls - 1, None))
        return now - nth.started > self._tripping.slow_s

    def _bucket(self, now: float) -> list[int]:
        second = int(now)
        while self._buckets and self._buckets[0][0] <= second - self._tripping.ratio_window_s:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
        return self._buckets[-1]

    def _mostly_failing(self, now: float) -> bool:
        self._bucket(now)
        failed = sum(bucket[2] for bucket in self._buckets)
        calls = failed + sum(bucket[1] for bucket in self._buckets)
        return calls >= self._tripping.ratio_calls and failed >= calls * self._tripping.ratio
