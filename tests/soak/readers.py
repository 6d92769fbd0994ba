"""Subscribers that come back after every end and write down each frame for the oracle."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common

from chassis.channels import channel
from chassis.projection_feed import reason_of
from tests.soak.sites import Site
from tests.support.histories import Origin, Stream, Subscriber

HEARTBEAT_SECONDS = 1
MISSED_HEARTBEATS = 3
KEPT = 50  # frames that a rewinding reader may go back
# How a stream may end here, by what is done to it. Anything else is a broken promise.
# CANCELLED is how a call ends that came while its server was leaving.
PASSING = {"ENDED", "SILENT", "UNAVAILABLE", "LOG_UNAVAILABLE", "SILO_UNAVAILABLE", "CANCELLED"}


@dataclass
class Reader:
    """One subscriber: ``fields`` are its wishes; ``rewinds`` lets it resume further back."""

    site: Site
    record: Subscriber
    chance: random.Random
    fields: dict[str, Any] = field(default_factory=dict)
    rewinds: bool = False
    reached: int = -1
    ends: Counter[str] = field(default_factory=Counter)
    broken: int = 0  # streams that had begun
    newest: float = 0.0  # when the event that came last was recorded
    strange: list[str] = field(default_factory=list)
    _has_begun: bool = False
    _kept: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=KEPT))

    async def read(self) -> None:
        """Read for ever, from the end of the log as it is when this begins."""
        while True:
            self._has_begun = False
            self.ends[await self._stream()] += 1
            self.broken += self._has_begun
            await asyncio.sleep(self.chance.uniform(0, 0.3))

    async def _stream(self) -> str:
        """Follow one stream; return why it ended."""
        start, record = self._start()
        site = self.site
        async with channel(f"127.0.0.1:{site.path.listening}") as opened:
            request = site.kind.wish(
                start, heartbeat_duration=Duration(seconds=HEARTBEAT_SECONDS), **self.fields
            )
            metadata = (("authorization", f"Bearer {site.bearer()}"),)
            stream = site.kind.stub(opened).Subscribe(request, metadata=metadata)
            try:
                while (frame := await _next(stream)) is not grpc.aio.EOF:
                    self._take(frame, record)
            except TimeoutError:
                return "SILENT"
            except grpc.aio.AioRpcError as refused:
                return self._judged(refused)
        return "ENDED"

    def _judged(self, refused: grpc.aio.AioRpcError) -> str:
        reason = reason_of(refused)
        if reason not in PASSING:
            code, text = refused.code().name, refused.details()
            self.strange.append(f"{self.record.name} ended with {code} {reason}: {text}")
        return reason

    def _start(self) -> tuple[common.StartPosition, Stream]:
        if not self._kept:
            latest = common.StartPosition(origin=common.START_ORIGIN_LATEST)
            return latest, self.record.opened(Origin.LATEST)
        back = self.chance.randrange(len(self._kept)) if self.rewinds else 0
        token, position = self._kept[-1 - back]
        return common.StartPosition(resume_token=token), self.record.opened(position)

    def _take(self, frame: Any, record: Stream) -> None:
        record.frame(frame)
        self._has_begun = True
        self._kept.append((frame.resume_token, frame.position))
        self.reached = frame.position
        if frame.batch.events:
            moment = frame.batch.events[-1].placement.recorded_time
            self.newest = moment.ToNanoseconds() / 1e9

    async def until_at(self, position: int) -> None:
        while self.reached < position:  # noqa: ASYNC110 - another task moves it
            await asyncio.sleep(0.02)

    async def until_news_of(self, moment: float) -> float:
        """Return how many seconds after ``moment`` something recorded later than it arrived."""
        while self.newest < moment:  # noqa: ASYNC110 - another task moves it
            await asyncio.sleep(0.02)
        return time.time() - moment


async def _next(stream: Any) -> Any:
    async with asyncio.timeout(HEARTBEAT_SECONDS * MISSED_HEARTBEATS):
        return await stream.read()
