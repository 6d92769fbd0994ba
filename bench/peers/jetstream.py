"""NATS JetStream: published after the commit, on disk, acknowledged; synced at once or not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from medport.hospital.events.v1.event_log_pb2 import HospitalEvent

from bench import facts
from bench.peers import MOST_EVENTS, Apply, Commit, Told
from bench.servers import free_port, listening, running
from bench.transactions import pooled

PROGRAM = Path("build/bench/peers/bin/nats-server")
STREAM, SUBJECT = "bench", "bench.facts"


@asynccontextmanager
async def serving(folder: Path, variant: str) -> AsyncIterator[Told | None]:
    if (program := _program()) is None:
        yield None
        return
    port = free_port()
    sync = "sync_interval: always" if variant == "always" else ""
    configured = folder / "nats.conf"
    configured.write_text(
        f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{folder}/nats"\n {sync} }}\n'
    )
    async with running(program, "-c", str(configured), environment=dict(os.environ)):
        await listening(port)
        told = {"server": f"nats://127.0.0.1:{port}"}
        async with connected(told) as (_, stream):
            await stream.add_stream(name=STREAM, subjects=[SUBJECT], storage="file")
        yield told


def _program() -> str | None:
    """Find the server, if its client is here as well: make bench installs both, or neither."""
    if importlib.util.find_spec("nats") is None:
        return None
    return str(PROGRAM) if PROGRAM.exists() else shutil.which("nats-server")


@asynccontextmanager
async def connected(told: Told) -> AsyncIterator[tuple[Any, Any]]:
    import nats  # noqa: PLC0415 - see serving

    client = await nats.connect(told["server"])
    try:
        yield client, client.jetstream(publish_async_max_pending=4_000)
    finally:
        await client.close()


@asynccontextmanager
async def announcing(told: Told) -> AsyncIterator[Commit]:
    async with pooled(told["source"]) as begin, connected(told) as (_, stream):

        async def commit() -> tuple[str, float]:
            row = facts.ENVELOPE.row(facts.changed())
            async with begin():
                pass
            moment = time.monotonic()
            await stream.publish(SUBJECT, row["data"])
            return row["subject"], moment

        yield commit


async def pulling(stream: Any) -> Any:
    """Open a pull consumer of which one acknowledgement covers all that came before."""
    from nats.js.api import AckPolicy, ConsumerConfig  # noqa: PLC0415 - see serving

    wish = ConsumerConfig(ack_policy=AckPolicy.ALL, max_ack_pending=-1)
    return await stream.pull_subscribe(SUBJECT, durable="bench", config=wish)


async def consume(told: Told, apply: Apply) -> None:
    """Read as an ordered consumer does, all that has come at a time."""
    async with connected(told) as (_, stream):
        incoming = await stream.subscribe(SUBJECT, ordered_consumer=True)
        while True:
            try:
                messages = [await incoming.next_msg(timeout=1)]
            except TimeoutError:
                continue
            while incoming.pending_msgs and len(messages) < MOST_EVENTS:
                messages.append(await incoming.next_msg(timeout=1))
            events = [HospitalEvent.FromString(each.data) for each in messages]
            await apply(events, messages[-1].metadata.sequence.stream)
