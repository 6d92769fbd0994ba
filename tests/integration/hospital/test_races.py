"""Of several decisions about one trip at once, one is made; barriers hold the row meanwhile.

With the row lock removed (``LOCK`` without FOR UPDATE) two of these are red; the indexes and
checks below hold the other two. What timers race against is in ``test_timers.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any

import grpc
import pytest
from medport.hospital.v1 import transport_requests_pb2 as pb

from tests.support.hospital_silo import HospitalSilo, hospital_silo
from tests.support.hospital_trips import Ward, ward
from tests.support.trip_races import raced, winners
from tests.support.waiting import until_pool_stands

RACERS = 8  # fewer than the pool has connections, or the rest never reach the lock


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        await until_pool_stands("hospital")
        yield opened


@pytest.fixture
async def mercy(silo: HospitalSilo) -> Ward:
    return await ward(silo)


def award(mercy: Ward, trip: pb.TransportRequest, bid_id: str) -> Awaitable[Any]:
    request = mercy.award(trip, bid_id)
    return mercy.silo.trips.AwardTransportRequest(request, metadata=mercy.staff)


async def insisting(mercy: Ward, trip: pb.TransportRequest, bid_id: str) -> Any:
    """Award as a client does: who is told to come again, for want of a connection, does so."""
    while True:
        try:
            return await award(mercy, trip, bid_id)
        except grpc.aio.AioRpcError as told:
            if told.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise


def kinds(mercy: Ward, trip: pb.TransportRequest) -> list[str]:
    return [kind for kind, _ in mercy.silo.events(f"transport_requests/{trip.id}")]


async def test_of_racing_awards_one_wins(mercy: Ward) -> None:
    trip = await mercy.create()
    bids = [await mercy.bid(trip) for _ in range(RACERS)]
    outcomes = await raced(mercy, trip.id, [partial(award, mercy, trip, bid_id) for bid_id in bids])
    assert winners(outcomes) == 1
    assert kinds(mercy, trip) == ["TransportRequestCreated", "TransportRequestAwarded"]
    assert mercy.silo.sql("SELECT count(*) FROM award") == [(1,)]


async def test_of_fifty_awards_at_once_one_wins(mercy: Ward) -> None:
    trip = await mercy.create()
    bid_id = await mercy.bid(trip)
    outcomes = await asyncio.gather(
        *(insisting(mercy, trip, bid_id) for _ in range(50)), return_exceptions=True
    )
    assert winners(outcomes) == 1
    assert mercy.silo.sql("SELECT count(*) FROM award") == [(1,)]


async def test_award_and_cancel_do_not_both_happen_at_once(mercy: Ward) -> None:
    trip = await mercy.create()
    bid_id = await mercy.bid(trip)
    cancel = partial(
        mercy.silo.trips.CancelTransportRequest, mercy.cancellation(trip), metadata=mercy.staff
    )
    awarding = partial(award, mercy, trip, bid_id)
    first, second = await raced(mercy, trip.id, [awarding, cancel])
    after = kinds(mercy, trip)[1:]
    if isinstance(first, BaseException):
        assert after == ["TransportRequestCancelled"]
    else:  # then the cancellation found an award, and asks EMS
        assert after == ["TransportRequestAwarded", "CancellationRequested"]
    assert not isinstance(second, BaseException)


async def test_of_two_requests_for_a_patient_one_is_made(mercy: Ward) -> None:
    calls = [
        mercy.silo.trips.CreateTransportRequest(
            mercy.creation(patient_id="p-1"), metadata=mercy.staff
        )
        for _ in range(RACERS)
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    lost = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert [each.code() for each in lost] == [grpc.StatusCode.ALREADY_EXISTS] * (RACERS - 1)
    assert mercy.silo.sql("SELECT count(*) FROM transport_request") == [(1,)]
