"""Counts the logs again: the facts, and the figures made of them, as the events tell them.

The logs are read into a file first. One transaction then takes the facts away and gives every event
its effect again, up to where the live followings stand; they wait for their turn meanwhile. So
nobody sees half a count, and whatever ends this process leaves everything as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any, Self

import grpc
import psycopg
from google.protobuf.descriptor import FileDescriptor
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.common.v1 import event_log_pb2 as common
from medport.ems.events.v1 import event_log_pb2 as ems_log
from medport.hospital.events.v1 import event_log_pb2 as hospital_log

from center_svc.projectors import assignments, transport_bids, transport_requests, units
from center_svc.repositories import recounts, trip_facts
from center_svc.timers import analytics
from chassis import settings
from chassis.channels import channel
from chassis.clock import instant, utc_now
from chassis.event_contract import EventContract
from chassis.followers import Bearer
from chassis.minting import ProcessTokens, identity_key
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.projection import Project, received
from chassis.projection_decoding import Unreadable, frame_reader
from chassis.unit_of_work import Database

SUBSCRIBER = "center.recount"
FACTS: Mapping[str, list[Project]] = {
    "hospital": [transport_requests.project],
    "ems": [transport_bids.project, assignments.project, units.project],
}
FILES: Mapping[str, FileDescriptor] = {
    "hospital": hospital_log.DESCRIPTOR,
    "ems": ems_log.DESCRIPTOR,
}
ATTEMPTS = 100  # each after what came while the one before ended
SKEW = timedelta(minutes=5)  # between the silos' clocks
_LENGTH = 4


class Behind(Exception):
    """A live following has applied more than was read: read on, and try again."""


@dataclass
class Log:
    """What was read of one silo's log: events up to ``position``, in its order, in a file."""

    source: str
    file: IO[bytes]
    position: int = 0
    token: bytes = b""
    is_whole: bool = True
    first_recorded: datetime | None = None
    contract: EventContract = field(init=False)

    def __post_init__(self) -> None:
        self.contract = EventContract.of(FILES[self.source])

    def add(self, event: Any) -> None:  # noqa: ANN401 - one of the silos' events
        self.first_recorded = self.first_recorded or instant(event.placement.recorded_time)
        if not isinstance(event, Unreadable):  # which is parked, where it was met
            content = event.SerializeToString()
            self.file.write(len(content).to_bytes(_LENGTH, "big") + content)

    def events(self) -> Iterator[Any]:
        self.file.seek(0)
        while length := self.file.read(_LENGTH):
            yield self.contract.event.FromString(self.file.read(int.from_bytes(length, "big")))

    async def read(self, source: grpc.aio.Channel, bearer: str) -> Self:
        """Read what follows, to the log's end."""
        start = common.StartPosition(origin=common.START_ORIGIN_EARLIEST)
        if self.token:
            start = common.StartPosition(resume_token=self.token)
        request = self.contract.subscribe_request(
            subscriber=SUBSCRIBER, start=start, stop_at_head=True
        )
        stream: Any = source.unary_stream(
            f"/{self.contract.service}/Subscribe",
            request_serializer=self.contract.subscribe_request.SerializeToString,
            response_deserializer=frame_reader(self.contract),
        )(request, metadata=(("authorization", f"Bearer {bearer}"),))
        while (frame := await stream.read()) is not grpc.aio.EOF:
            self._take(frame)
        return self

    def _take(self, frame: Any) -> None:  # noqa: ANN401 - one of the silos' frames
        match frame.WhichOneof("frame"):
            case "started" if not self.token:
                self.is_whole = frame.started.event_log.earliest_position <= 1
            case "batch":
                for event in frame.batch.events:
                    self.add(event)
        if frame.resume_token:
            self.position, self.token = frame.position, frame.resume_token


@contextmanager
def spool() -> Iterator[IO[bytes]]:
    """Open a file that nobody else sees, and that goes with the process."""
    with tempfile.TemporaryFile() as file:
        yield file


def rebuild_analytics(arguments: list[str]) -> int:
    """Count again, and say how much there was; return the exit status."""
    parser = argparse.ArgumentParser("python -m center_svc rebuild-analytics", description=__doc__)
    parser.parse_args(arguments)
    given = settings.or_exit(settings.silo)
    bearer = ProcessTokens(identity_key("center", given.identity_key), utc_now)
    try:
        counted = asyncio.run(rebuild(given.database, given.peers, bearer))
    except grpc.aio.AioRpcError as refused:
        sys.stderr.write(f"center: a log cannot be read: {refused.code().name}\n")
        return 1
    except (psycopg.Error, Behind) as error:
        sys.stderr.write(f"center: {type(error).__name__}: everything is as it was\n")
        return 1
    sys.stdout.write(f"{counted} events counted again\n")
    return 0


async def rebuild(dsn: str, peers: Mapping[str, str], bearer: Bearer) -> int:
    """Count both logs again, and make the figures; return the number of events.

    Raises AioRpcError when a log cannot be read; then nothing has happened.
    """
    envelope = Envelope(CenterEvent, "/medport/center")
    async with AsyncExitStack() as stack, pool(dsn, size=2) as connections:
        await connections.wait()
        database = Database(connections, envelope, tenant_column=None)
        logs = [Log(source, stack.enter_context(spool())) for source in FACTS]
        sources = {
            source: await stack.enter_async_context(channel(peers[source])) for source in FACTS
        }
        for _ in range(ATTEMPTS):
            for log in logs:
                await log.read(sources[log.source], bearer(log.source))
            try:
                counted = await count(database, logs)
            except Behind:
                continue
            await analytics.sweep(database, utc_now)
            return counted
    raise Behind


async def count(database: Database, logs: list[Log]) -> int:
    """Replace the facts by what ``logs`` tell; raises Behind, and changes nothing.

    Of logs that are not whole any more, only trips count again that began behind their beginning:
    the others' facts are all that is left of them.
    """
    counted = 0
    async with database.begin(None) as uow:
        await recounts.hold(uow)
        await trip_facts.turn(uow)
        positions, given_up = await recounts.positions(uow), await recounts.given_up(uow)
        if any(log.position < positions.get(log.source, 0) for log in logs):
            raise Behind
        await recounts.forget(uow, _since(logs))
        for log in logs:
            for event in log.events():
                position = event.placement.position
                if position > positions.get(log.source, 0) or (log.source, position) in given_up:
                    continue
                counted += 1
                if (known := received(event)) is not None:
                    for project in FACTS[log.source]:
                        await project(uow, known)
    return counted


def _since(logs: list[Log]) -> datetime | None:
    """Return from when on both logs tell everything; None: from the beginning."""
    cut = [log.first_recorded or utc_now() for log in logs if not log.is_whole]
    return max(cut) + SKEW if cut else None
