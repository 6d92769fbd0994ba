"""A watch begins with what is live, goes on with what changes, and resumes without a hole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb

from tests.support.hospital_silo import HospitalSilo, hospital_silo
from tests.support.hospital_trips import PHI, Ward, ward


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        yield opened


@pytest.fixture
async def mercy(silo: HospitalSilo) -> Ward:
    return await ward(silo)


def watch(mercy: Ward, **asked: Any) -> Any:
    request = pb.WatchTransportRequestsRequest(hospital_id=mercy.hospital_id, **asked)
    return mercy.silo.trips.WatchTransportRequests(request, metadata=mercy.staff)


async def until(stream: Any, kind: str) -> list[pb.WatchTransportRequestsResponse]:
    """Read frames up to the first of ``kind``."""
    frames: list[pb.WatchTransportRequestsResponse] = []
    async with asyncio.timeout(20):
        while not frames or frames[-1].WhichOneof("frame") != kind:
            frames.append(await stream.read())
    return frames


def trips(frames: list[pb.WatchTransportRequestsResponse]) -> list[str]:
    return [each.transport_request.id for each in frames if each.HasField("transport_request")]


async def test_a_watch_begins_with_what_is_live(mercy: Ward) -> None:
    over, live = await mercy.create(), await mercy.create()
    await mercy.silo.trips.CancelTransportRequest(mercy.cancellation(over), metadata=mercy.staff)
    stream = watch(mercy)
    frames = await until(stream, "snapshot_end")
    assert trips(frames) == [live.id]
    assert frames[-1].snapshot_end.event_count == 1
    changed = await mercy.create()
    (frame,) = await until(stream, "transport_request")
    assert frame.transport_request == changed
    assert not any(phi in str(frame) for phi in PHI)


async def test_a_watch_resumes_where_it_was_left(mercy: Ward) -> None:
    trip = await mercy.create()
    stream = watch(mercy)
    token = (await until(stream, "snapshot_end"))[-1].resume_token
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
    (frame,) = await until(stream, "transport_request")
    assert frame.transport_request.id == one.id


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
