"""Serves a Watch of rows that no log tells of: looked at again and again, and told when changed."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from medport.common.v1 import event_log_pb2 as log

from chassis import auth
from chassis.clock import Clock, timestamp
from chassis.event_log_errors import InvalidResumeToken
from chassis.open_streams import OpenStreams

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
MOST_SECONDS = 1800.0  # streams end at an age, so that connections move
_TOKEN = struct.Struct(">Bq")  # version, microseconds: a resumed stream looks at all rows anew
_VERSION = 1

Frame = TypeVar("Frame", bound=Message)
Row = TypeVar("Row", bound=Message)


class RowWatching(Generic[Frame, Row]):
    """One process's watches of one kind.

    ``frame`` is the response's class, ``noun`` the field in which it shows a row.
    """

    def __init__(
        self, frame: Callable[..., Frame], noun: str, clock: Clock, draining: asyncio.Event
    ) -> None:
        self._frame = frame
        self._noun = noun
        self._clock = clock
        self._draining = draining
        self._open = OpenStreams()

    async def watch(
        self, look: Callable[[], Awaitable[Mapping[str, Row]]], resume_token: bytes
    ) -> AsyncIterator[Frame]:
        """Yield what ``look``, which returns rows by id, finds new or changed.

        Ends when the process drains or the stream is old. Raises StreamLimit, and
        InvalidResumeToken for what was never a token of such a stream.
        """
        if resume_token and (len(resume_token) != _TOKEN.size or resume_token[0] != _VERSION):
            raise InvalidResumeToken
        user_id = auth.caller().user_id
        self._open.enter(user_id)
        try:
            async for what in self._news(look):
                token = _TOKEN.pack(_VERSION, int(self._clock().timestamp() * 1_000_000))
                yield self._frame(**what, resume_token=token)
        finally:
            self._open.leave(user_id)

    async def _news(
        self, look: Callable[[], Awaitable[Mapping[str, Row]]]
    ) -> AsyncIterator[dict[str, Any]]:
        ends_at = time.monotonic() + random.uniform(0.9, 1.1) * MOST_SECONDS  # noqa: S311 - apart
        known = await look()
        for row in known.values():
            yield {self._noun: row}
        yield {"snapshot_end": log.SnapshotEnd(event_count=len(known))}
        spoke_at = time.monotonic()
        while not self._draining.is_set() and time.monotonic() < ends_at:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), LOOK_SECONDS)
            before, known = known, await look()
            for id, row in known.items():
                if before.get(id) != row:
                    yield {self._noun: row}
                    spoke_at = time.monotonic()
            if time.monotonic() - spoke_at >= HEARTBEAT_SECONDS:
                yield {"heartbeat": log.Bookmark(server_time=timestamp(self._clock()))}
                spoke_at = time.monotonic()
        yield {"stream_end": self._end()}

    def _end(self) -> log.StreamEnd:
        drained = self._draining.is_set()
        reason = log.STREAM_END_REASON_DRAINING if drained else log.STREAM_END_REASON_MAX_AGE
        pause = Duration()
        pause.FromMilliseconds(random.randrange(2000))  # noqa: S311 - callers come back apart
        return log.StreamEnd(reason=reason, reconnect_duration=pause)
