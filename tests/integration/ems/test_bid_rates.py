"""How often an agency may bid on a trip. Needs PostgreSQL."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure, RetryInfo
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import transport_bids_pb2 as bids

from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.guarded import detail
from tests.support.hospital_silo import refused

Code = grpc.StatusCode


async def test_an_agency_bids_ten_times_a_minute_on_a_trip_and_no_more(silo: EmsSilo) -> None:
    swift = await run(silo)
    other = Run(swift.agency)
    await swift.offer()
    await other.offer()
    bid = await swift.bid()
    for _ in range(4):  # each of them counts, whatever its answer
        assert (await refused(swift.bid())).reason == "BID_EXISTS"
    for _ in range(5):
        assert (await refused(swift.bid(material_version=7))).reason == "TRIP_CHANGED"
    revision = bids.ReviseBidRequest(
        bid_id=bid.id, bid=swift.terms(), etag=bid.etag, **swift.agency.own
    )

    for attempt in (
        swift.bid(),
        silo.bids.ReviseBid(revision, metadata=swift.agency.dispatcher),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await attempt
        assert caught.value.code() is Code.RESOURCE_EXHAUSTED
        assert detail(caught.value, ErrorInfo).reason == "RATE_LIMITED"
        assert swift.trip.id in detail(caught.value, QuotaFailure).violations[0].subject
        assert 0 < detail(caught.value, RetryInfo).retry_delay.ToMilliseconds() <= 6000
    assert (await other.bid()).status == words.BID_STATUS_PENDING


async def test_an_agency_that_used_up_its_bids_takes_none_of_anothers(silo: EmsSilo) -> None:
    swift, rival = await run(silo), await silo.agency("Rival")
    await rival.add_unit()
    await swift.offer()
    await swift.bid()
    while (await refused(swift.bid())).reason == "BID_EXISTS":
        pass

    assert (await Run(rival, swift.trip).bid()).status == words.BID_STATUS_PENDING
