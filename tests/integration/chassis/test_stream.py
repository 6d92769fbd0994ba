"""Subscribe, as any stub sees it: ordered, atomic, resumable, filtered, and honest about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common
from medport.hospital.events.v1 import event_log_pb2 as pb

from chassis.auth import Principal
from chassis.stream_ring import Ring
from tests.support.databases import superuser_of
from tests.support.event_logs import a_provision, lay
from tests.support.event_streams import (
    EARLIEST,
    LATEST,
    Silo,
    after,
    events,
    frames,
    kinds,
    positions,
    reason,
    serving,
    until_head,
    until_kind,
    wish,
)
from tests.support.guarded import violations

HOSPITAL = uuid4()


@pytest.fixture
async def silo(plain_database: str) -> AsyncIterator[Silo]:
    async with serving(lay(plain_database)) as served:
        yield served


async def _catch_up(silo: Silo, request: pb.SubscribeRequest) -> list[pb.SubscribeResponse]:
    stream = silo.stub.Subscribe(request)
    received = await until_kind(stream, "caught_up")
    stream.cancel()
    return received


async def _whole_log(silo: Silo, count: int) -> list[pb.SubscribeResponse]:
    """Read the log from its beginning until ``count`` events came."""
    stream = silo.stub.Subscribe(wish(EARLIEST))
    received: list[pb.SubscribeResponse] = []
    while len(events(received)) < count:
        received += await frames(stream, 1)
    stream.cancel()
    return received


async def test_an_event_arrives_as_it_was_announced_and_placed(silo: Silo) -> None:
    stream = silo.stub.Subscribe(wish(LATEST))
    assert kinds(await frames(stream, 2)) == ["started", "caught_up"]
    announced = a_provision()
    await silo.announce(announced)
    [frame] = await frames(stream, 1)
    [event] = frame.batch.events
    assert event.hospital_provisioned == announced.event
    assert (event.metadata.subject, event.metadata.subject_version) == (announced.subject, 1)
    assert event.metadata.type == "medport.hospital.events.v1.HospitalProvisioned"
    placement = event.placement
    assert (placement.position, placement.epoch, placement.transaction_size) == (1, 1, 1)
    assert placement.recorded_time.seconds > 0
    assert (frame.position, frame.previous_position) == (1, 0)


async def test_every_frame_follows_the_one_before(silo: Silo) -> None:
    stream = silo.stub.Subscribe(wish(EARLIEST))
    received = await frames(stream, 2)
    for _ in range(5):
        await silo.announce(a_provision(), a_provision())
        received += await frames(stream, 1)
    reached = [frame.position for frame in received]
    assert [frame.previous_position for frame in received[1:]] == reached[:-1]
    assert positions(received) == list(range(1, 11))


async def test_a_transaction_is_never_divided_unless_it_is_marked(silo: Silo) -> None:
    await silo.announce(*(a_provision() for _ in range(3)))
    await silo.announce(*(a_provision() for _ in range(7)))
    await silo.announce(a_provision())
    await _whole_log(silo, 11)
    received = await _catch_up(silo, wish(EARLIEST, max_batch_events=4))
    batches = [frame.batch for frame in received if frame.WhichOneof("frame") == "batch"]
    assert [len(each.events) for each in batches] == [3, 4, 4]
    # Seven do not fit: four that go on, then three, and a whole transaction beside them.
    assert [each.transaction_continues for each in batches] == [False, True, False]


async def test_every_frame_resumes_exactly_behind_itself(silo: Silo) -> None:
    for _ in range(6):
        await silo.announce(a_provision(), a_provision())
    await _whole_log(silo, 12)
    received = await _catch_up(silo, wish(EARLIEST, max_batch_events=2))
    for frame in received:
        again = await _catch_up(silo, wish(after(frame)))
        assert positions(again) == list(range(frame.position + 1, 13))


async def test_filters_deliver_every_match_and_nothing_else(silo: Silo) -> None:
    wanted = a_provision("hospitals/wanted")
    stream = silo.stub.Subscribe(
        wish(EARLIEST, filter=common.EventFilter(subjects=["hospitals/wanted"]))
    )
    await frames(stream, 2)
    await silo.announce(a_provision(), a_provision())
    await silo.announce(wanted, a_provision())
    await silo.announce(replace(wanted, subject_version=2))
    received: list[pb.SubscribeResponse] = []
    while len(events(received)) < 2:
        received += await frames(stream, 1)
    assert [event.metadata.subject for event in events(received)] == ["hospitals/wanted"] * 2


async def test_a_filtered_reader_is_told_how_far_the_stream_is(silo: Silo) -> None:
    await silo.announce(*(a_provision() for _ in range(1_200)))
    await _whole_log(silo, 1_200)
    nothing = common.EventFilter(subjects=["hospitals/none"])
    received = await _catch_up(silo, wish(EARLIEST, filter=nothing))
    assert kinds(received) == ["started", "bookmark", "caught_up"]
    assert received[1].position == 1_200
    assert positions(await _catch_up(silo, wish(after(received[1])))) == []


async def test_an_unknown_type_is_refused(silo: Silo) -> None:
    nonsense = common.EventFilter(types=["medport.hospital.events.v1.Nonsense"])
    stream = silo.stub.Subscribe(wish(EARLIEST, filter=nonsense))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await frames(stream, 1)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason(refused.value) == "EVENT_TYPE_FORBIDDEN"


def _user(silo: str, tenant: UUID | None, role: str) -> Principal:
    return Principal(user_id=uuid4(), silo=silo, tenant_id=tenant, roles=frozenset({role}))


@pytest.mark.parametrize(
    ("principal", "seen"),
    [
        (_user("hospital", HOSPITAL, "HOSPITAL_STAFF"), [1, 2]),
        (_user("hospital", uuid4(), "HOSPITAL_STAFF"), []),
        (_user("ems", HOSPITAL, "EMS_DISPATCHER"), [3]),  # an agency of the same id
        (_user("center", None, "CENTER_ADMIN"), [4]),
        (Principal(user_id=uuid4(), silo="ems", roles=frozenset({"SERVICE"})), [1, 5]),
        (_user("ems", None, "EMS_DISPATCHER"), []),  # the silo's process, not its users
    ],
)
async def test_everybody_sees_what_the_audience_includes(
    silo: Silo, principal: Principal, seen: list[int]
) -> None:
    own = f"hospital:{HOSPITAL}"
    audiences = [(own, "silo:ems"), (own,), (f"agency:{HOSPITAL}",), ("role:center_admin",)]
    for audience in (*audiences, ("silo:ems",)):
        await silo.announce(a_provision(audience=audience))
    await until_head(silo, 5)
    silo.principal = principal
    assert positions(await _catch_up(silo, wish(EARLIEST))) == seen
    listed = await silo.stub.ListEvents(pb.ListEventsRequest())
    assert [event.placement.position for event in listed.events] == seen


async def test_heartbeats_come_when_nothing_else_does(silo: Silo) -> None:
    stream = silo.stub.Subscribe(wish(LATEST, heartbeat_duration=Duration(seconds=1)))
    received = await frames(stream, 4, seconds=4)
    assert kinds(received) == ["started", "caught_up", "bookmark", "bookmark"]
    assert received[0].started.heartbeat_duration.seconds == 1


async def test_a_stream_that_asked_to_stops_at_the_head(silo: Silo) -> None:
    await silo.announce(*(a_provision() for _ in range(5)))
    await until_head(silo, 5)
    received = [frame async for frame in silo.stub.Subscribe(wish(EARLIEST, stop_at_head=True))]
    assert kinds(received) == ["started", "batch", "stream_end"]
    assert received[-1].stream_end.reason == common.STREAM_END_REASON_HEAD_REACHED


async def test_a_drained_stream_ends_well_and_resumes_elsewhere(silo: Silo) -> None:
    await silo.announce(a_provision())
    await until_head(silo, 1)
    stream = silo.stub.Subscribe(wish(EARLIEST))
    await until_kind(stream, "caught_up")
    silo.publishing.drain()
    [end] = await frames(stream, 1)
    assert end.stream_end.reason == common.STREAM_END_REASON_DRAINING
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK
    async with serving(silo.dsn) as successor:
        await successor.announce(a_provision())
        resumed = successor.stub.Subscribe(wish(after(end)))
        assert positions(await until_kind(resumed, "batch")) == [2]
        resumed.cancel()


async def test_a_start_in_time_begins_behind_it(silo: Silo) -> None:
    await silo.announce(a_provision())
    first = (await _whole_log(silo, 1))[-1].batch.events[0].placement.recorded_time
    await silo.announce(a_provision())
    await until_head(silo, 2)
    later = common.StartPosition(after_recorded_time=first)
    assert positions(await _catch_up(silo, wish(later))) == [2]


async def test_no_start_is_refused(silo: Silo) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await frames(silo.stub.Subscribe(wish(common.StartPosition())), 1)
    assert reason(refused.value) == "INVALID_RESUME_TOKEN"


async def test_a_token_that_is_none_is_refused_by_its_field(silo: Silo) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await frames(silo.stub.Subscribe(wish(common.StartPosition(resume_token=b"x" * 57))), 1)
    assert list(violations(refused.value)) == ["start.resume_token"]


async def test_ring_and_pages_give_the_same_stream(plain_database: str) -> None:
    async with serving(lay(plain_database), Ring(slots=8)) as silo:
        stream = silo.stub.Subscribe(wish(EARLIEST))
        received = await until_kind(stream, "caught_up")
        for size in (1, 3, 20, 2, 9, 50):
            await silo.announce(*(a_provision() for _ in range(size)))
        while len(events(received)) < 85:
            received += await frames(stream, 1)
        stream.cancel()
        assert positions(received) == list(range(1, 86))
        edges = [kind for kind in kinds(received) if kind in {"caught_up", "fell_behind"}]
        assert edges == ["caught_up", "fell_behind"] * (len(edges) // 2) + edges[-1:] * (
            len(edges) % 2
        )


async def test_a_principal_has_so_many_streams_and_no_more(silo: Silo) -> None:
    streams = [silo.stub.Subscribe(wish(LATEST)) for _ in range(32)]
    for stream in streams:
        await frames(stream, 1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await frames(silo.stub.Subscribe(wish(LATEST)), 1)
    assert reason(refused.value) == "STREAM_LIMIT"
    for stream in streams:
        stream.cancel()


async def test_a_bookmark_says_by_when_everything_is_there(silo: Silo) -> None:
    stream = silo.stub.Subscribe(wish(LATEST, heartbeat_duration=Duration(seconds=1)))
    await frames(stream, 2)
    began = datetime.now(UTC)
    with psycopg.connect(superuser_of(silo.dsn)) as holder:
        # The sequencer waits, so what is committed gets no position.
        holder.execute("SELECT FROM event_log_head FOR UPDATE")
        await silo.announce(a_provision())
        blocked = datetime.now(UTC)
        mark = (await until_kind(stream, "bookmark"))[-1]
        assert began - timedelta(seconds=2) < _complete(mark) < blocked
    received = await until_kind(stream, "bookmark")
    assert positions(received) == [1]
    assert _complete(received[-1]) > blocked


def _complete(mark: pb.SubscribeResponse) -> datetime:
    return mark.bookmark.server_time.ToDatetime(tzinfo=UTC)
