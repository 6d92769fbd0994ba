"""Catching up from the first event, decoded by the reader, up to 500 events a message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from medport.common.v1 import event_log_pb2 as common
from medport.hospital.events.v1 import event_log_pb2 as pb
from medport.hospital.events.v1.event_log_pb2 import HospitalEvent
from medport.hospital.events.v1.event_log_pb2_grpc import EventLogServiceStub
from psycopg import AsyncConnection

from bench import facts
from bench.cases import Stage
from bench.cases.sequencing import statement
from bench.figures import Goal
from bench.peers import OURS, PEERS, jetstream, redis_streams
from bench.processes import one
from chassis.channels import channel
from chassis.event_log import tick

CASE = "replay"
FIGURE = "decoded events/s"
GOALS = (Goal(CASE, FIGURE, 60_000, at_least=True),)
AT_ONCE = 500
_HEAD = "SELECT last_position FROM event_log_head"
_OWN = "SELECT count(*) FROM event_log WHERE audience && '{silo:center}'"


async def run(stage: Stage) -> None:
    events = stage.count(60_000, 1_000)
    await _fill(stage, events)
    stage.mesh.restart("hospital")  # its memory of recent events is empty: pages, all of them
    figures, name = stage.figures, OURS.name
    figures.add(CASE, name, {FIGURE: await _ours(stage)})
    for module, who in ((jetstream, PEERS[0].name), (redis_streams, PEERS[2].name)):
        figures.add(CASE, who, await _peer(stage, module, events))


async def _fill(stage: Stage, events: int) -> None:
    """Write what is missing of ``events``, with the silo away: this is not what is measured."""
    dsn = stage.mesh.dsn("hospital")
    missing = events - int(await one(dsn, _OWN))
    if missing <= 0:
        return
    stage.mesh.only()
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        for _ in range(-(-missing // 100)):
            await connection.execute(statement(100).encode(), prepare=True)
        while (await tick(connection, 500))[0]:
            pass
    stage.mesh.only("hospital")


async def _ours(stage: Stage) -> float:
    """Return the events a second that one reader decodes until it is at the head."""
    request = pb.SubscribeRequest(
        subscriber="center",
        start=common.StartPosition(origin=common.START_ORIGIN_EARLIEST),
        max_batch_events=AT_ONCE,
        max_batch_bytes=1024 * 1024,
        stop_at_head=True,
    )
    metadata = (("authorization", f"Bearer {stage.mesh.bearer('center', 'hospital')}"),)
    async with channel(stage.mesh.address("hospital")) as opened:
        began, received = time.perf_counter(), 0
        async for frame in EventLogServiceStub(opened).Subscribe(request, metadata=metadata):
            received += len(frame.batch.events)
        return received / (time.perf_counter() - began)


async def _peer(stage: Stage, module: Any, events: int) -> dict[str, float] | None:
    folder = Path(mkdtemp(dir=stage.folder))
    data = facts.ENVELOPE.row(facts.changed())["data"]
    async with AsyncExitStack() as stack:
        serving = module.serving(folder, "everysec")
        if (told := await stack.enter_async_context(serving)) is None:
            return None
        read: dict[str, Callable[[], Awaitable[int]]]
        if module is jetstream:
            client, stream = await stack.enter_async_context(jetstream.connected(told))
            await _publish(client, stream, data, events)
            read = {FIGURE: lambda: _pulled(stream, events)}
        else:
            client = await stack.enter_async_context(redis_streams.connected(told))
            await _add(client, data, events)
            read = {FIGURE: lambda: _xread(client)}
        taken = {}
        for figure, work in read.items():
            began = time.perf_counter()
            taken[figure] = await work() / (time.perf_counter() - began)
        return taken


async def _publish(client: Any, stream: Any, data: bytes, events: int) -> None:
    for number in range(events):
        await client.publish(jetstream.SUBJECT, data)
        if number % 1_000 == 0:
            await client.flush()
    await client.flush()
    while (await stream.stream_info(jetstream.STREAM)).state.messages < events:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _pulled(stream: Any, events: int) -> int:
    pulling = await jetstream.pulling(stream)
    received = 0
    while received < events:
        messages = await pulling.fetch(AT_ONCE, timeout=5)
        for each in messages:
            HospitalEvent.FromString(each.data)
        await messages[-1].ack()
        received += len(messages)
    return received


async def _add(client: Any, data: bytes, events: int) -> None:
    for _ in range(events // 1_000):
        pipeline = client.pipeline(transaction=False)
        for _ in range(1_000):
            pipeline.xadd(redis_streams.STREAM, {b"d": data})
        await pipeline.execute()


async def _xread(client: Any) -> int:
    last, received = b"0", 0
    while found := await client.xread({redis_streams.STREAM: last}, AT_ONCE):
        ((_, entries),) = found
        for _, fields in entries:
            HospitalEvent.FromString(fields[b"d"])
        last, received = entries[-1][0], received + len(entries)
    return received
