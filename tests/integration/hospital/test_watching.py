"""A watch begins with what is live, goes on with what changes, and resumes without a hole."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import received_bids_pb2
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp
from tests.support.hospital_silo import soon
from tests.support.hospital_trips import PHI, Ward

pytestmark = pytest.mark.asyncio(loop_scope="module")


def watch(mercy: Ward, **asked: Any) -> Any:
    request = pb.WatchTransportRequestsRequest(hospital_id=mercy.hospital_id, **asked)
    return mercy.silo.trips.WatchTransportRequests(request, metadata=mercy.staff)


async def until(stream: Any, kind: str) -> list[Any]:
    """Read frames up to the first of ``kind``."""
    frames: list[Any] = []
    async with asyncio.timeout(20):
        while not frames or frames[-1].WhichOneof("frame") != kind:
            frames.append(await stream.read())
    return frames


def trips(frames: list[Any]) -> list[str]:
    return [each.transport_request.id for each in frames if each.HasField("transport_request")]


async def test_a_watch_begins_with_what_is_live(mercy: Ward) -> None:
    over, live = await mercy.create(), await mercy.create()
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(over), metadata=mercy.staff)
    stream = watch(mercy)
    frames = await until(stream, "snapshot_end")
    assert trips(frames) == [live.id]
    assert frames[-1].snapshot_end.event_count == 1
    changed = await mercy.create()
    seen = frames
    while changed.id not in trips(seen):  # what the snapshot showed may come again
        seen += await until(stream, "transport_request")
    assert seen[-1].transport_request == changed
    assert not any(phi in str(each) for phi in PHI for each in seen)


async def test_a_watch_resumes_where_it_was_left(mercy: Ward) -> None:
    trip = await mercy.create()
    stream = watch(mercy)
    await until(stream, "snapshot_end")
    token = (await until(stream, "heartbeat"))[-1].resume_token
    stream.cancel()
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(trip), metadata=mercy.staff)
    (frame,) = await until(watch(mercy, resume_token=token), "transport_request")
    assert frame.transport_request.status == words.TRIP_STATUS_CANCELLED
    assert frame.resume_token not in {b"", token}


async def test_a_watch_of_one_trip_hears_of_no_other(mercy: Ward) -> None:
    one, other = await mercy.create(), await mercy.create()
    stream = watch(mercy, transport_request_ids=[one.id])
    assert trips(await until(stream, "snapshot_end")) == [one.id]
    for trip in (other, one):
        request = mercy.cancellation(trip)
        await mercy.silo.trips.CancelTransportRequest(request, metadata=mercy.staff)
    while True:
        (frame,) = await until(stream, "transport_request")
        assert frame.transport_request.id == one.id
        if frame.transport_request.status == words.TRIP_STATUS_CANCELLED:
            break


async def test_a_quiet_watch_has_a_heartbeat(mercy: Ward) -> None:
    stream = watch(mercy)
    frames = await until(stream, "heartbeat")
    assert frames[-1].resume_token


async def test_nobody_watches_another_hospital(mercy: Ward) -> None:
    request = pb.WatchTransportRequestsRequest(hospital_id=str(uuid4()))
    stream = mercy.silo.trips.WatchTransportRequests(request, metadata=mercy.staff)
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await stream.read()
    assert told.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_changed_token_is_refused(mercy: Ward) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await watch(mercy, resume_token=b"x" * 57).read()
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def watch_bids(mercy: Ward, trip_id: str, **asked: Any) -> Any:
    request = received_bids_pb2.WatchReceivedBidsRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip_id, **asked
    )
    return mercy.silo.bids.WatchReceivedBids(request, metadata=mercy.staff)


async def test_bids_are_watched_as_they_come_and_lapse(mercy: Ward) -> None:
    trip = await mercy.create()
    first = await mercy.bid(trip, expire_time=timestamp(soon(seconds=5)))
    stream = watch_bids(mercy, trip.id)
    shown = await until(stream, "snapshot_end")
    assert [each.bid.id for each in shown[:-1]] == [first]
    second = await mercy.bid(trip)
    assert (await until(stream, "bid"))[-1].bid.id == second
    (lapsed,) = await until(stream, "bid")  # by the clock: no event says so
    assert (lapsed.bid.id, lapsed.bid.is_awardable) == (first, False)
    (beat,) = await until(stream, "heartbeat")
    resumed = watch_bids(mercy, trip.id, resume_token=beat.resume_token)
    assert len(await until(resumed, "snapshot_end")) == 3


async def test_bids_of_no_trip_are_not_watched(mercy: Ward) -> None:
    for trip_id, asked, code in (
        (str(uuid4()), {}, grpc.StatusCode.NOT_FOUND),
        (str(uuid4()), {"resume_token": b"x"}, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await watch_bids(mercy, trip_id, **asked).read()
        assert told.value.code() is code
