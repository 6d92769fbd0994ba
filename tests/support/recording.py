"""A subscriber as the README asks for it, which notes every frame for the oracle.

It gives a silent stream up, comes back after every end, and resumes from its last token.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common

from chassis import channels
from tests.support.event_streams import EARLIEST, reason
from tests.support.histories import Origin, Subscriber
from tests.support.silo_logs import Kind

MISSED = 3  # heartbeats after which a subscriber takes its stream for dead
_PAUSE_SECONDS = 0.02
_PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
_REASON = common.StreamEndReason


def anywhere(*ports: int) -> Callable[[], grpc.aio.Channel]:
    """Open channels to ``ports``, one after the other: a subscriber's way to the next replica."""
    opened = -1

    def channel() -> grpc.aio.Channel:
        nonlocal opened
        opened += 1
        return channels.channel(f"127.0.0.1:{ports[opened % len(ports)]}")

    return channel


@dataclass
class Recording:
    """Follows ``kind``'s log from its beginning, on a new channel for each stream.

    ``ends`` counts why streams ended: SILENT, a StreamEndReason, an ErrorInfo reason, or a code.
    ``edges`` are the CaughtUp and FellBehind of all streams, in their order.
    """

    kind: Kind
    record: Subscriber
    channel: Callable[[], grpc.aio.Channel]
    heartbeat: float = 5.0
    bearer: Callable[[], str] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    position: int = 0
    token: bytes = b""
    ends: Counter[str] = field(default_factory=Counter)
    edges: list[str] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Follow until cancelled; raises the refusals that no repeat would change."""
        while True:
            async with self.channel() as opened:
                self._note(await self._stream(opened))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Return once ``condition`` holds; it is looked at after every frame and every end."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._moved.wait()
                self._moved.clear()

    @property
    def is_live(self) -> bool:
        return self.edges[-1:] == ["caught_up"]

    async def until_at(self, position: int, seconds: float = 20) -> None:
        await self.until(lambda: self.position >= position, seconds)

    async def _stream(self, opened: grpc.aio.Channel) -> str:
        stub: Any = self.kind.stub(opened)
        start = common.StartPosition(resume_token=self.token) if self.token else EARLIEST
        beat = Duration()
        beat.FromNanoseconds(int(self.heartbeat * 1e9))
        wish = self.kind.wish(start, heartbeat_duration=beat, **self.fields)
        metadata = (("authorization", f"Bearer {self.bearer()}"),) if self.bearer else ()
        try:
            return await self._receive(stub.Subscribe(wish, metadata=metadata))
        except TimeoutError:
            return "SILENT"
        except grpc.aio.AioRpcError as refused:
            if refused.code() not in _PASSING:
                raise
            return reason(refused) or refused.code().name

    async def _receive(self, call: Any) -> str:
        noted, said = None, "NOTHING"
        while True:
            async with asyncio.timeout(MISSED * self.heartbeat):
                frame = await call.read()
            if frame is grpc.aio.EOF:
                return said
            if noted is None:
                noted = self.record.opened(self.position if self.token else Origin.EARLIEST)
            noted.frame(frame)
            said = self._take(frame)

    def _take(self, frame: Any) -> str:
        self.position, self.token = frame.position, frame.resume_token
        if (kind := frame.WhichOneof("frame")) in {"caught_up", "fell_behind"}:
            self.edges.append(kind)
        self._moved.set()
        return _REASON.Name(frame.stream_end.reason).removeprefix("STREAM_END_REASON_")

    def _note(self, end: str) -> None:
        self.ends[end] += 1
        self._moved.set()


@asynccontextmanager
async def following(*recordings: Recording) -> AsyncIterator[Sequence[Recording]]:
    """Run the recordings while the block lasts; a refusal of one of them ends it."""
    tasks = [asyncio.create_task(each.run()) for each in recordings]
    try:
        yield recordings
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        refusals = [each for each in ended if not isinstance(each, asyncio.CancelledError)]
        assert not refusals, refusals
