"""Bids are a copy of EMS's: versions only rise, and the order shown is the hospital's."""

from __future__ import annotations

from uuid import uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import transport_bids_pb2
from medport.hospital.v1 import received_bids_pb2 as pb

from chassis.clock import timestamp
from tests.support.hospital_silo import refused, soon
from tests.support.hospital_trips import Ward

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def get(mercy: Ward, bid_id: str) -> pb.ReceivedBid:
    request = pb.GetReceivedBidRequest(hospital_id=mercy.hospital_id, bid_id=bid_id)
    return (await mercy.silo.bids.GetReceivedBid(request, metadata=mercy.staff)).bid


async def test_bids_come_in_the_hospitals_order_a_page_at_a_time(mercy: Ward) -> None:
    trip = await mercy.create()
    favourite = uuid4()
    mercy.silo.sql(
        "INSERT INTO hospital_agency_preference (hospital_id, id, agency_id, preference_order)"
        " VALUES (%s, %s, %s, 5)",
        mercy.silo.hospital_id,
        uuid4(),
        favourite,
    )
    pickup = timestamp(soon(minutes=20))
    dear = {"currency_code": "USD", "units": 900}
    last = await mercy.bid(trip, estimated_pickup_time=None)
    third = await mercy.bid(trip, estimated_pickup_time=pickup, bid_amount=dear)
    second = await mercy.bid(trip, estimated_pickup_time=pickup)
    first = await mercy.bid(trip, agency_id=favourite)
    request = pb.ListReceivedBidsRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip.id, page_size=1
    )
    seen = []
    while True:
        answer = await mercy.silo.bids.ListReceivedBids(request, metadata=mercy.staff)
        seen += [each.id for each in answer.bids]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert seen == [first, second, third, last]


async def test_an_older_version_changes_nothing(mercy: Ward) -> None:
    trip = await mercy.create()
    bid_id = await mercy.bid(trip)
    closed = transport_bids_pb2.BidClosed(
        bid_id=bid_id,
        agency_id=str(mercy.agency_id),
        trip=mercy.ref(trip),
        status=words.BID_STATUS_WITHDRAWN,
        bid_version=3,
    )
    await mercy.silo.hear(closed)
    await mercy.bid(trip, bid_id=bid_id, bid_version=2)
    bid = await get(mercy, bid_id)
    assert (bid.status, bid.is_awardable) == (words.BID_STATUS_WITHDRAWN, False)


async def test_an_open_bid_is_awardable_and_keeps_its_cents(mercy: Ward) -> None:
    bid = await get(mercy, await mercy.bid(await mercy.create()))
    assert bid.is_awardable
    assert (bid.bid_amount.units, bid.bid_amount.nanos) == (450, 500_000_000)
    assert bid.agency_name.startswith("Agency")


async def test_another_hospitals_bids_do_not_exist(mercy: Ward) -> None:
    trip = await mercy.create()
    bid_id, stranger = await mercy.bid(trip), uuid4()
    staff = await mercy.silo.login(hospital_id=stranger)
    one = pb.GetReceivedBidRequest(hospital_id=str(stranger), bid_id=bid_id)
    many = pb.ListReceivedBidsRequest(hospital_id=str(stranger), transport_request_id=trip.id)
    for call in (
        mercy.silo.bids.GetReceivedBid(one, metadata=staff),
        mercy.silo.bids.ListReceivedBids(many, metadata=staff),
    ):
        assert (await refused(call)).code is grpc.StatusCode.NOT_FOUND
