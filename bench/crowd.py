"""A thousand subscribers in one process, told on standard input what to do.

The first line is a Crowd; each line after it is answered by one line:

    {"until": 40}    wait until every reader has version 40, and say how it went until now
    {"read": true}   let those read that have not read anything yet
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import uvloop
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common

from chassis.backoff import Backoff
from chassis.channels import channel
from chassis.event_contract import EventContract
from chassis.projection_feed import reason_of

PER_CHANNEL = 50  # streams; a server takes a hundred per connection
MOST_BACKOFF_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Who subscribes to what: events of one subject, whose versions are 1, 2, 3 ...

    Subscriber i shows token i modulo their number. Of all, ``stalled`` do not read.
    """

    address: str
    silo: str
    tokens: list[str]
    size: int
    stalled: int = 0
    heartbeat: int = 30  # seconds


@dataclass
class Tally:
    """What all subscribers together have seen."""

    events: int = 0
    frames: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    def taken(self) -> dict[str, Any]:
        """Give the figures; the latencies are those since the last time."""
        took, self.milliseconds = sorted(self.milliseconds), []
        share = {f"p{each}": took[len(took) * each // 100] for each in (50, 99)} if took else {}
        seen = {"events": self.events, "frames": self.frames, "faults": self.faults}
        return {**seen, "ends": self.ends, **share}


class Subscriber:
    """Follows the log from its beginning, and resumes where it was after every end."""

    def __init__(self, contract: EventContract, tally: Tally, may_read: asyncio.Event) -> None:
        self._contract = contract
        self._tally = tally
        self._may_read = may_read
        self._token: bytes | None = None
        self._position = 0
        self._moved = asyncio.Condition()
        self.version = 0

    async def follow(self, opened: grpc.aio.Channel, bearer: str, heartbeat: Duration) -> None:
        """Subscribe again and again, until cancelled."""
        subscribe = opened.unary_stream(
            f"/{self._contract.service}/Subscribe",
            request_serializer=self._contract.subscribe_request.SerializeToString,
            response_deserializer=self._contract.subscribe_response.FromString,
        )
        backoff = Backoff(0.1, MOST_BACKOFF_SECONDS)
        metadata = (("authorization", f"Bearer {bearer}"),)
        while True:
            before = self.version
            try:
                await self._read(subscribe(self._request(heartbeat), metadata=metadata))
            except grpc.aio.AioRpcError as broken:
                self._tally.ends[reason_of(broken)] += 1
            if self.version > before:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def until(self, version: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self.version >= version)

    def _request(self, heartbeat: Duration) -> Any:
        start = common.StartPosition(origin=common.START_ORIGIN_EARLIEST)
        if self._token is not None:
            start = common.StartPosition(resume_token=self._token)
        return self._contract.subscribe_request(
            subscriber="bench.crowd", start=start, heartbeat_duration=heartbeat
        )

    async def _read(self, call: Any) -> None:
        if not self._may_read.is_set():
            await call.initial_metadata()  # the stream is open, and nothing of it is asked for
            await self._may_read.wait()
        while (frame := await call.read()) is not grpc.aio.EOF:
            kind = frame.WhichOneof("frame")
            self._tally.frames[kind] += 1
            if kind != "started" and frame.previous_position != self._position:
                self._tally.faults["DISCONTINUITY"] += 1
            self._position, self._token = frame.position, frame.resume_token
            if kind == "batch":
                await self._take(frame.batch.events)
        self._tally.ends["OK"] += 1

    async def _take(self, events: Any) -> None:
        now = time.time()
        for event in events:
            version = event.metadata.subject_version
            if version != self.version + 1:
                self._tally.faults["MISSING" if version > self.version else "REPEATED"] += 1
            self.version = version
            said = event.metadata.time
            self._tally.milliseconds.append((now - said.seconds - said.nanos / 1e9) * 1000)
        self._tally.events += len(events)
        async with self._moved:
            self._moved.notify_all()


async def _told() -> AsyncIterator[dict[str, Any]]:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


@dataclass
class Gathered:
    """The subscribers: who reads, who does not read yet, and the event that lets those."""

    readers: list[Subscriber] = field(default_factory=list)
    stalled: list[Subscriber] = field(default_factory=list)
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


async def gather(
    crowd: Crowd, tally: Tally, stack: AsyncExitStack, group: asyncio.TaskGroup
) -> Gathered:
    """Let the crowd subscribe. Those that stall share their connections with those that read."""
    module = importlib.import_module(f"medport.{crowd.silo}.events.v1.event_log_pb2")
    contract, gathered, at_once = EventContract.of(module.DESCRIPTOR), Gathered(), asyncio.Event()
    at_once.set()
    apart = crowd.size // crowd.stalled if crowd.stalled else crowd.size + 1
    for number in range(1, crowd.size + 1):
        if number % PER_CHANNEL == 1:
            opened = await stack.enter_async_context(channel(crowd.address))
        is_stalled = number % apart == 0
        each = Subscriber(contract, tally, gathered.may_read if is_stalled else at_once)
        (gathered.stalled if is_stalled else gathered.readers).append(each)
        following = each.follow(
            opened, crowd.tokens[number % len(crowd.tokens)], Duration(seconds=crowd.heartbeat)
        )
        gathered.tasks.append(group.create_task(following))
    return gathered


async def main() -> None:
    """Do what standard input says until it ends."""
    tally, crowd = Tally(), Gathered()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        async for told in _told():
            if "size" in told:
                crowd = await gather(Crowd(**told), tally, stack, group)
            elif "read" in told:
                crowd.readers += crowd.stalled
                crowd.may_read.set()
            else:
                await asyncio.gather(*(each.until(told["until"]) for each in crowd.readers))
            sys.stdout.write(f"{json.dumps(tally.taken())}\n")
            sys.stdout.flush()
        for task in crowd.tasks:
            task.cancel()


if __name__ == "__main__":
    uvloop.run(main())
