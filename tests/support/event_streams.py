"""A silo that publishes, asked through a real channel, and what its subscribers receive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from medport.common.v1 import event_log_pb2 as common
from medport.hospital.events.v1 import event_log_pb2 as pb

from chassis import call, channels
from chassis import event_log_metrics as metrics
from chassis.auth import Principal
from chassis.interceptors import errors
from chassis.interceptors.guards import GuardedServer, Rpc
from chassis.outbox import Announcement
from chassis.paging import Paging
from chassis.pool import pool
from chassis.publishing import Publishing
from chassis.stream_ring import Ring
from chassis.stream_snapshots import Snapshot
from chassis.unit_of_work import Database
from tests.support.event_logs import database_on
from tests.support.silo_logs import HOSPITAL, Kind

if TYPE_CHECKING:
    from medport.hospital.events.v1.event_log_pb2_grpc import EventLogServiceAsyncStub

EARLIEST = common.StartPosition(origin=common.START_ORIGIN_EARLIEST)
SNAPSHOT = common.StartPosition(origin=common.START_ORIGIN_SNAPSHOT)
LATEST = common.StartPosition(origin=common.START_ORIGIN_LATEST)


@dataclass
class Silo:
    """One process of a silo; ``principal`` is whoever calls it, from now on."""

    dsn: str
    publishing: Publishing
    database: Database
    server: grpc.aio.Server
    port: int
    stub: EventLogServiceAsyncStub
    channel: grpc.aio.Channel
    kind: Kind
    principal: Principal

    async def announce(self, *announcements: Announcement) -> None:
        """Commit the announcements in one transaction."""
        async with self.database.begin(None) as uow:
            for each in announcements:
                uow.emit(each)

    def subscribe(self, start: common.StartPosition, **fields: Any) -> Any:
        """Open a stream from ``start``."""
        stub: Any = self.stub
        return stub.Subscribe(self.kind.wish(start, **fields))

    @asynccontextmanager
    async def guard(self, rpc: Rpc) -> AsyncIterator[None]:
        """Let ``principal`` in, and parse, as the silos' own guards would."""
        rpc.call.principal = self.principal
        call.enter(rpc.call)
        rpc.request = rpc.parse(rpc.request)
        yield


@asynccontextmanager
async def serving(
    dsn: str,
    ring: Ring | None = None,
    port: int = 0,
    snapshot: Snapshot | None = None,
    kind: Kind = HOSPITAL,
    *,
    options: channels.Options = channels.SERVER,
    looked: bool = True,
) -> AsyncIterator[Silo]:
    """Publish ``kind``'s log in this process, behind a real server; any number may share a log.

    ``looked`` waits for the process's first look at its log, for who asks its parts directly.
    """
    publishing = Publishing(dsn, kind.file, Paging(bytes(32)), ring=ring, snapshot=snapshot)
    async with AsyncExitStack() as stack:
        connections = await stack.enter_async_context(pool(dsn))
        database = database_on(connections, kind)
        database.after_commit = publishing.announced
        server = grpc.aio.server(options=options)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        channel = await stack.enter_async_context(channels.channel(f"127.0.0.1:{port}"))
        stub: EventLogServiceAsyncStub = kind.stub(channel)  # all three have one shape
        silo = Silo(dsn, publishing, database, server, port, stub, channel, kind, kind.reader)
        outermost = errors.guard(kind.silo, "test")
        publishing.add_to(GuardedServer(server, [outermost, silo.guard]))
        await publishing.start()
        stack.push_async_callback(publishing.stop)
        await server.start()
        stack.push_async_callback(server.stop, None)
        if looked:
            await publishing.source.tailer.seen()
        yield silo


async def until_head(silo: Silo, position: int) -> common.EventLogState:
    """Return the log's state once it has come to ``position``."""
    async with asyncio.timeout(10):
        while True:
            state = (await silo.stub.GetEventLog(silo.kind.pb.GetEventLogRequest())).event_log
            if state.head_position >= position:
                return state
            await asyncio.sleep(0.01)


def wish(start: common.StartPosition, **fields: Any) -> pb.SubscribeRequest:
    return pb.SubscribeRequest(subscriber="ems", start=start, **fields)


def after(frame: pb.SubscribeResponse) -> common.StartPosition:
    return common.StartPosition(resume_token=frame.resume_token)


async def frames(stream: Any, count: int, seconds: float = 10) -> list[pb.SubscribeResponse]:
    """Read the next ``count`` frames."""
    async with asyncio.timeout(seconds):
        received = [await stream.read() for _ in range(count)]
    assert grpc.aio.EOF not in received
    return received


async def until_kind(stream: Any, kind: str, seconds: float = 10) -> list[pb.SubscribeResponse]:
    """Read frames up to the first of ``kind``."""
    received: list[pb.SubscribeResponse] = []
    async with asyncio.timeout(seconds):
        while not received or received[-1].WhichOneof("frame") != kind:
            received += await frames(stream, 1)
    return received


def kinds(received: list[pb.SubscribeResponse]) -> list[str]:
    return [str(frame.WhichOneof("frame")) for frame in received]


def events(received: list[pb.SubscribeResponse]) -> list[pb.HospitalEvent]:
    return [event for frame in received for event in frame.batch.events]


def positions(received: list[pb.SubscribeResponse]) -> list[int]:
    return [event.placement.position for event in events(received)]


def open_streams() -> int:
    """Return how many streams this process serves: what is leaked is counted for ever."""
    (family,) = metrics.SUBSCRIBERS.collect()
    return int(sum(sample.value for sample in family.samples))


def reason(refused: grpc.aio.AioRpcError) -> str:
    """Return the ErrorInfo reason that the refusal carries."""
    for name, value in refused.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                info = ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
