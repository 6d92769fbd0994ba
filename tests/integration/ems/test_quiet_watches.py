"""Who watches what does not change is told that all is well, and when to go elsewhere.

Run: ``python -m pytest tests/integration/ems/test_quiet_watches.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from medport.common.v1 import event_log_pb2 as log

from tests.support.ems_silo import EmsSilo, ems_process
from tests.support.ems_watches import Watch, available_trips, notifications

watches = pytest.mark.parametrize("watch", [available_trips, notifications])


async def until(stream: Any, kind: str) -> Any:
    """Return the first frame of that kind; raises TimeoutError when there is none."""
    async with asyncio.timeout(10):
        while (frame := await stream.read()) is not grpc.aio.EOF:
            if frame.HasField(kind):
                return getattr(frame, kind)
    raise AssertionError(f"the stream has ended without {kind}")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("chassis.row_watching", "ems_svc.servicers.available_trips"):
        monkeypatch.setattr(f"{module}.HEARTBEAT_SECONDS", 0.3)


@watches
@pytest.mark.usefixtures("quick")
async def test_a_watch_without_news_is_heard_from(silo: EmsSilo, watch: Watch) -> None:
    stream = watch(await silo.agency())
    await until(stream, "snapshot_end")
    first, second = await until(stream, "heartbeat"), await until(stream, "heartbeat")
    assert first.server_time.ToNanoseconds() < second.server_time.ToNanoseconds()
    stream.cancel()


@watches
async def test_a_watch_is_told_that_its_process_stops(ems_database: str, watch: Watch) -> None:
    async with ems_process(ems_database) as (process, silo):
        stream = watch(await silo.agency())
        await until(stream, "snapshot_end")
        stopping = asyncio.create_task(process.stop(grace=10))

        told = await until(stream, "stream_end")

        assert told.reason == log.STREAM_END_REASON_DRAINING
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK
        await stopping
