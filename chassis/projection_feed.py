"""One Subscribe call to another silo: frames in unbroken order, or a reason why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from medport.common.v1 import event_log_pb2 as pb

from chassis import event_log_metrics as metrics
from chassis.checkpoint import Place
from chassis.event_contract import EventContract
from chassis.projection import Following
from chassis.projection_decoding import frame_reader
from chassis.rpc_metrics import calling

MISSED_HEARTBEATS = 3
REPORT_SECONDS = 5.0
# A frame is one transaction, and what it locks, callers wait for: with frames of up to 500, a busy
# silo's calls stood still for 1.6 s behind one (measured), and exhausted its pool.
MOST_EVENTS = 25
_DETAILS = "grpc-status-details-bin"

Connect = Callable[[], grpc.aio.Channel]  # opens a channel to the source
Token = Callable[[], str]  # makes a bearer token for the source, valid now


class Interrupted(Exception):
    """The stream broke off; what follows has to be asked for again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Feed:
    """Asks the source for what ``following`` follows.

    Every stream has a channel of its own: on a connection that fell silent the next call would
    hang as well, until keepalive finds out.
    """

    def __init__(self, following: Following, connect: Connect, token: Token) -> None:
        self._following = following
        self._contract = EventContract.of(following.file)
        self._connect = connect
        self._token = token

    def snapshot(self) -> AsyncGenerator[Any, None]:
        """Yield the source's current rows, and what follows them; see ``frames``."""
        return self._frames(pb.StartPosition(origin=pb.START_ORIGIN_SNAPSHOT))

    def frames(self, place: Place) -> AsyncGenerator[Any, None]:
        """Yield the frames behind ``place``, until the server ends the stream well.

        Raises Interrupted when the server falls silent for three heartbeats or skips something,
        and grpc.aio.AioRpcError when it refuses.
        """
        return self._frames(_start(place))

    async def _frames(self, start: pb.StartPosition) -> AsyncGenerator[Any, None]:
        with calling("server_stream", self._contract.service, "Subscribe") as count:
            async with self._connect() as channel, aclosing(self._read(channel, start)) as frames:
                reached: int | None = None
                async for frame in frames:
                    count.received()
                    self._check(frame, reached)
                    reached = frame.position
                    yield frame

    async def _read(
        self, channel: grpc.aio.Channel, start: pb.StartPosition
    ) -> AsyncGenerator[Any, None]:
        stream = channel.unary_stream(
            f"/{self._contract.service}/Subscribe",
            request_serializer=self._contract.subscribe_request.SerializeToString,
            response_deserializer=frame_reader(self._contract),
        )(self._request(start), metadata=self._metadata())
        while (frame := await self._next(stream)) is not grpc.aio.EOF:
            yield frame

    async def report(self, token: bytes) -> None:
        """Tell the source how far this consumer is; nothing correct depends on it."""
        request = self._contract.progress_request(
            subscriber=self._following.consumer, resume_token=token
        )
        with calling("unary", self._contract.service, "ReportProgress"):
            await self._report(request)

    async def _report(self, request: Any) -> None:
        async with self._connect() as channel:
            await channel.unary_unary(
                f"/{self._contract.service}/ReportProgress",
                request_serializer=self._contract.progress_request.SerializeToString,
                response_deserializer=self._contract.progress_response.FromString,
            )(request, metadata=self._metadata(), timeout=REPORT_SECONDS)

    async def _next(self, stream: Any) -> Any:
        """Read one frame; a connection that died without a word is left after three heartbeats."""
        try:
            async with asyncio.timeout(self._following.heartbeat_seconds * MISSED_HEARTBEATS):
                return await stream.read()
        except TimeoutError:
            raise Interrupted("SILENT") from None

    def _check(self, frame: Any, reached: int | None) -> None:
        """Compare what the server believes to have sent with what came."""
        kind = frame.WhichOneof("frame")
        if (kind == "started") != (reached is None):
            raise Interrupted("NOT_STARTED")
        if reached is not None and frame.previous_position != reached:
            following = self._following
            metrics.CONTINUITY_VIOLATIONS.labels(following.consumer, following.source).inc()
            raise Interrupted("DISCONTINUITY")

    def _request(self, start: pb.StartPosition) -> Any:
        heartbeat = Duration()
        heartbeat.FromMilliseconds(int(self._following.heartbeat_seconds * 1000))
        return self._contract.subscribe_request(
            subscriber=self._following.consumer,
            start=start,
            filter=pb.EventFilter(types=self._following.types),
            heartbeat_duration=heartbeat,
            max_batch_events=MOST_EVENTS,
        )

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        """Make the credentials for one call: a token lives for minutes, a channel for ever."""
        return (("authorization", f"Bearer {self._token()}"),)


def _start(place: Place) -> pb.StartPosition:
    if place.resume_token is None:
        return pb.StartPosition(origin=pb.START_ORIGIN_EARLIEST)
    return pb.StartPosition(resume_token=place.resume_token)


def reason_of(refused: grpc.aio.AioRpcError) -> str:
    """Return the contract's reason for a refusal, or the code where none came with it."""
    for name, value in refused.trailing_metadata() or ():
        if name == _DETAILS and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                info = ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return str(refused.code().name)
