"""Subscribe, as any stub sees it: ordered, atomic, and honest about how far it is.

Proves of events.md sections 7 and 8: frames chain, transactions stay whole or are marked, starts
begin where they say, heartbeats come under load, under a filter and in idleness, and streams are
counted, limited and let go.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common

from chassis.open_streams import PER_USER
from chassis.stream_pages import SUBSCRIBERS
from tests.support.databases import superuser_of
from tests.support.event_streams import (
    EARLIEST,
    LATEST,
    Silo,
    events,
    frames,
    kinds,
    open_streams,
    positions,
    until_head,
    until_kind,
)
from tests.support.refusals import refusal, told

SECOND = Duration(seconds=1)
USER = frozenset({"CENTER_ADMIN"})
NOTHING = common.EventFilter(subjects=["subjects/none"])


async def _announced(silo: Silo, *sizes: int) -> None:
    """Commit a transaction of each size, and see them placed."""
    head = (await until_head(silo, 0)).head_position
    for size in sizes:
        await silo.announce(*(silo.kind.announcement() for _ in range(size)))
        head += size
        await until_head(silo, head)


async def _caught_up(silo: Silo, start: common.StartPosition = EARLIEST, **fields: Any) -> Any:
    stream = silo.subscribe(start, **fields)
    received = await until_kind(stream, "caught_up")
    stream.cancel()
    return received


async def test_an_event_arrives_as_it_was_announced_and_placed(served: Silo) -> None:
    stream = served.subscribe(LATEST)
    assert kinds(await frames(stream, 2)) == ["started", "caught_up"]
    announced = served.kind.announcement()
    await served.announce(announced)
    [frame] = await frames(stream, 1)
    [event] = frame.batch.events
    assert getattr(event, str(event.WhichOneof("payload"))) == announced.event
    assert (event.metadata.subject, event.metadata.subject_version) == (announced.subject, 1)
    assert event.metadata.type == served.kind.type
    assert event.metadata.source == f"/medport/{served.kind.silo}"
    placement = event.placement
    assert (placement.position, placement.epoch, placement.transaction_size) == (1, 1, 1)
    assert placement.recorded_time.seconds > 0
    assert (frame.position, frame.previous_position) == (1, 0)


async def test_every_frame_follows_the_one_before(served: Silo) -> None:
    stream = served.subscribe(EARLIEST)
    received = await frames(stream, 2)
    for _ in range(5):
        await served.announce(served.kind.announcement(), served.kind.announcement())
        received += await frames(stream, 1)
    reached = [frame.position for frame in received]
    assert [frame.previous_position for frame in received[1:]] == reached[:-1]
    assert positions(received) == list(range(1, 11))


async def test_a_transaction_is_never_divided_unless_it_is_marked(served: Silo) -> None:
    await _announced(served, 3, 7, 1)
    while positions(await _caught_up(served))[-1] != 11:
        pass  # until the serving process has heard of the last one, too
    received = await _caught_up(served, max_batch_events=4)
    batches = [frame.batch for frame in received if frame.WhichOneof("frame") == "batch"]
    assert [len(each.events) for each in batches] == [3, 4, 4]
    # Seven do not fit: four that go on, then three, and a whole transaction beside them.
    assert [each.transaction_continues for each in batches] == [False, True, False]


async def test_a_batch_is_no_larger_than_was_asked_for(served: Silo) -> None:
    await _announced(served, *[1] * 6)
    whole = await _caught_up(served)
    one = whole[1].batch.events[0].ByteSize()
    received = await _caught_up(served, max_batch_bytes=one * 2 + one // 2)
    sizes = [len(frame.batch.events) for frame in received if frame.HasField("batch")]
    assert max(sizes) == 2
    assert positions(received) == list(range(1, 7))
    tiny = await _caught_up(served, max_batch_bytes=1)  # a single event always goes
    assert [len(frame.batch.events) for frame in tiny if frame.HasField("batch")] == [1] * 6


async def test_a_start_in_time_begins_behind_it(served: Silo) -> None:
    await _announced(served, 1)
    first = (await _caught_up(served))[1].batch.events[0].placement.recorded_time
    await _announced(served, 1)
    later = common.StartPosition(after_recorded_time=first)
    assert positions(await _caught_up(served, later)) == [2]
    assert positions(await _caught_up(served, LATEST)) == []


async def test_a_stream_that_asked_to_stops_at_the_head(served: Silo) -> None:
    await _announced(served, 5)
    received = [frame async for frame in served.subscribe(EARLIEST, stop_at_head=True)]
    assert kinds(received) == ["started", "batch", "stream_end"]
    assert received[-1].stream_end.reason == common.STREAM_END_REASON_HEAD_REACHED


async def _silences(stream: Any, seconds: float) -> list[float]:
    """Read for so long; return how long each frame was waited for."""
    clock, waited = asyncio.get_running_loop().time, list[float]()
    end = clock() + seconds
    while (began := clock()) < end:
        await frames(stream, 1)
        waited.append(clock() - began)
    return waited


async def _load(silo: Silo) -> None:
    while True:
        await silo.announce(silo.kind.announcement())
        await asyncio.sleep(0.02)


async def test_a_frame_comes_in_every_interval_whatever_happens(served: Silo) -> None:
    """Idle, under load, and under a load of which the filter lets nothing through."""
    half = Duration(nanos=500_000_000)
    idle = served.subscribe(EARLIEST, heartbeat_duration=half)
    waited = [await _silences(idle, 2.5)]
    load = asyncio.create_task(_load(served))
    filtered = served.subscribe(EARLIEST, heartbeat_duration=half, filter=NOTHING)
    waited += await asyncio.gather(*(_silences(each, 2.5) for each in (idle, filtered)))
    load.cancel()
    assert all(len(each) >= 4 for each in waited), waited  # 2.5 s at 0.5 s plus 10 %
    assert max(map(max, waited)) < 3 * 0.5, waited  # when a subscriber would give it up
    idle.cancel()
    filtered.cancel()


async def test_bookmarks_come_amid_events_and_say_how_far_the_log_is(served: Silo) -> None:
    load = asyncio.create_task(_load(served))
    stream = served.subscribe(EARLIEST, heartbeat_duration=Duration(nanos=100_000_000))
    received = await until_kind(stream, "bookmark")
    received += await until_kind(stream, "bookmark")
    load.cancel()
    marks = [frame for frame in received if frame.HasField("bookmark")]
    assert [mark.bookmark.earliest_position for mark in marks] == [1, 1]
    assert all(mark.bookmark.head_position >= mark.position for mark in marks)
    assert "batch" in kinds(received)
    stream.cancel()


async def test_a_bookmark_says_by_when_everything_is_there(served: Silo) -> None:
    stream = served.subscribe(LATEST, heartbeat_duration=Duration(nanos=300_000_000))
    while not (await until_kind(stream, "bookmark"))[-1].bookmark.HasField("server_time"):
        pass  # until the head was looked at: once it is locked, nobody can
    began = datetime.now(UTC)
    with psycopg.connect(superuser_of(served.dsn)) as holder:
        # The sequencer waits, so what is committed gets no position.
        holder.execute("SELECT FROM event_log_head FOR UPDATE")
        await served.announce(served.kind.announcement())
        blocked = datetime.now(UTC)
        mark = (await until_kind(stream, "bookmark"))[-1]
        assert began - timedelta(seconds=2) < _complete(mark) < blocked
    received = await until_kind(stream, "batch")
    assert positions(received) == [1]
    while _complete(received[-1]) < blocked:
        received = await until_kind(stream, "bookmark")
    stream.cancel()


def _complete(mark: Any) -> datetime:
    found: datetime = mark.bookmark.server_time.ToDatetime(tzinfo=UTC)
    return found


async def test_a_principal_has_so_many_streams_and_no_more(served: Silo) -> None:
    streams = [served.subscribe(LATEST) for _ in range(PER_USER)]
    for stream in streams:
        await frames(stream, 1)
    assert await refusal(served.subscribe(LATEST)) == ("STREAM_LIMIT", {})
    for stream in streams:
        stream.cancel()
    async with asyncio.timeout(10):
        while open_streams():  # noqa: ASYNC110 - the server learns of it when it learns of it
            await asyncio.sleep(0.01)
    assert events(await _caught_up(served)) == []


async def test_lists_page_through_the_same_events(served: Silo) -> None:
    await _announced(served, 7)
    request, seen = served.kind.pb.ListEventsRequest(page_size=3), list[int]()
    for _ in range(3):
        page = await served.stub.ListEvents(request)
        seen += [event.placement.position for event in page.events]
        request.page_token = page.next_page_token
    assert seen == list(range(1, 8))
    assert request.page_token == ""


async def test_progress_is_noted_under_the_subscribers_name(served: Silo) -> None:
    await _announced(served, 2)
    token = (await until_head(served, 2)).head_token
    report = served.kind.pb.ReportProgressRequest(subscriber=served.kind.peer, resume_token=token)
    for _ in range(2):
        await served.stub.ReportProgress(report)
    with psycopg.connect(superuser_of(served.dsn)) as reader:
        rows = reader.execute("SELECT name, position FROM event_subscriber").fetchall()
    assert rows == [(served.kind.peer, 2)]


async def test_each_subscriber_of_a_user_reports_for_itself(served: Silo) -> None:
    """And none of another's: neither under its name, nor under a silo's."""
    await _announced(served, 2)
    state = await until_head(served, 2)
    report = served.kind.pb.ReportProgressRequest
    one, other = (replace(served.principal, user_id=uuid4(), roles=USER) for _ in range(2))
    reports = [(one, "board", state.head_token), (one, "archive", state.earliest_token)]
    for principal, name, token in [*reports, (other, "board", state.earliest_token)]:
        served.principal = principal
        await served.stub.ReportProgress(report(subscriber=name, resume_token=token))
    silo = served.principal.silo
    with psycopg.connect(superuser_of(served.dsn)) as reader:
        rows = reader.execute("SELECT name, position FROM event_subscriber").fetchall()
    assert dict(rows) == {
        f"{silo}/{one.user_id}/board": 2,
        f"{silo}/{one.user_id}/archive": 0,
        f"{silo}/{other.user_id}/board": 0,
    }


async def test_a_user_reports_under_so_many_names_and_no_more(served: Silo) -> None:
    token = (await until_head(served, 0)).head_token
    reader = replace(served.principal, roles=USER)
    for served.principal in (reader, replace(reader, user_id=uuid4())):
        for number in range(SUBSCRIBERS):
            await _reported(served, f"board{number}", token)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _reported(served, "one.more", token)
        assert told(refused.value)[0] == "STREAM_LIMIT"
        await _reported(served, "board0", token)
    served.principal = served.kind.reader
    await _reported(served, served.kind.peer, token)  # its users' names begin as its own does


async def _reported(served: Silo, subscriber: str, token: bytes) -> None:
    request = served.kind.pb.ReportProgressRequest(subscriber=subscriber, resume_token=token)
    await served.stub.ReportProgress(request)


async def test_a_gap_in_the_log_is_never_delivered_over(served: Silo) -> None:
    stream = served.subscribe(EARLIEST)
    await _announced(served, 1)
    with psycopg.connect(superuser_of(served.dsn), autocommit=True) as owner:
        owner.execute("UPDATE event_log_head SET last_position = last_position + 1")
    await served.announce(served.kind.announcement())
    assert await refusal(stream) == ("LOG_CORRUPT", {"position": "2"})
    assert await stream.code() is grpc.StatusCode.DATA_LOSS


async def test_a_stream_is_told_how_often_to_expect_a_frame(served: Silo) -> None:
    for asked, promised in ((SECOND, 1), (None, 5)):
        stream = served.subscribe(LATEST, heartbeat_duration=asked)
        [frame] = await frames(stream, 1)
        assert frame.started.heartbeat_duration.seconds == promised
        stream.cancel()
