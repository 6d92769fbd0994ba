"""One watch of a trip's bids: looked at again and again, for a bid also lapses by the clock."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as log
from medport.hospital.v1 import received_bids_pb2 as pb

from chassis.clock import Clock, timestamp
from chassis.event_log_errors import InvalidResumeToken

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
MOST_SECONDS = 1800.0  # streams end at an age, so that connections move
_TOKEN = struct.Struct(">Bq")  # version, microseconds: a resumed stream looks at all bids anew
_VERSION = 1

Look = Callable[[], Awaitable[Mapping[str, pb.ReceivedBid]]]


def refuse_foreign(token: bytes) -> None:
    """Refuse what was never a token of this stream; none begins a new one."""
    if token and (len(token) != _TOKEN.size or token[0] != _VERSION):
        raise InvalidResumeToken


class BidWatch:
    """Tells one watcher what ``look``, which returns bids by id, finds new or changed."""

    def __init__(self, look: Look, clock: Clock, draining: asyncio.Event) -> None:
        self._look = look
        self._clock = clock
        self._draining = draining
        self._known: Mapping[str, pb.ReceivedBid] = {}
        self._spoke_at = time.monotonic()

    async def frames(self) -> AsyncIterator[pb.WatchReceivedBidsResponse]:
        """Yield frames until the process drains or the stream is old."""
        ends_at = time.monotonic() + random.uniform(0.9, 1.1) * MOST_SECONDS  # noqa: S311 - apart
        for bid in await self._news():
            yield self._frame(bid=bid)
        yield self._frame(snapshot_end=log.SnapshotEnd(event_count=len(self._known)))
        while not self._draining.is_set() and time.monotonic() < ends_at:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), LOOK_SECONDS)
            for bid in await self._news():
                yield self._frame(bid=bid)
            if time.monotonic() - self._spoke_at >= HEARTBEAT_SECONDS:
                yield self._frame(heartbeat=log.Bookmark(server_time=timestamp(self._clock())))
        yield self._frame(stream_end=self._end())

    async def _news(self) -> list[pb.ReceivedBid]:
        before, self._known = self._known, await self._look()
        return [bid for id, bid in self._known.items() if before.get(id) != bid]

    def _frame(self, **what: Any) -> pb.WatchReceivedBidsResponse:  # noqa: ANN401 - one field
        self._spoke_at = time.monotonic()
        token = _TOKEN.pack(_VERSION, int(self._clock().timestamp() * 1_000_000))
        return pb.WatchReceivedBidsResponse(**what, resume_token=token)

    def _end(self) -> log.StreamEnd:
        drained = self._draining.is_set()
        reason = log.STREAM_END_REASON_DRAINING if drained else log.STREAM_END_REASON_MAX_AGE
        pause = Duration()
        pause.FromMilliseconds(random.randrange(2000))  # noqa: S311 - callers come back apart
        return log.StreamEnd(reason=reason, reconnect_duration=pause)
