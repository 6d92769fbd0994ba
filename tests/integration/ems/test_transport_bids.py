"""Bids and the answers to awards: who may bid when, who wins, what losers hear.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from medport.center.events.v1 import system_configurations_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.ems.v1 import available_trips_pb2 as trips
from medport.ems.v1 import transport_bids_pb2 as bids

from chassis.clock import timestamp, utc_now
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.hospital_silo import refused
from tests.support.waiting import until

Code = grpc.StatusCode


async def test_one_wins_and_the_others_hear_no_more_than_that(silo: EmsSilo) -> None:
    swift = await run(silo)
    rival = Run(await silo.agency("Rival"), swift.trip)
    await rival.agency.add_unit()
    await swift.offer()
    mine, theirs = await swift.bid(), await rival.bid()

    await silo.hear(swift.trip.awarded(mine.id, swift.agency.id))

    assert (await swift.get_bid(mine.id)).status == words.BID_STATUS_ACCEPTED
    assert (await rival.get_bid(theirs.id)).status == words.BID_STATUS_REJECTED
    [won] = await swift.listed(trips.AVAILABLE_TRIP_STATE_WON)
    [lost] = await rival.listed(trips.AVAILABLE_TRIP_STATE_UNAVAILABLE)
    assert won.hospital_id == swift.trip.hospital_id
    assert {field.name for field, _ in lost.ListFields()} == {
        *("id", "agency_id", "trip_number", "state", "transport_level", "create_time", "etag")
    }
    confirmed = next(each for each in silo.payloads() if type(each).__name__ == "AwardConfirmed")
    assert confirmed.job.award_token == swift.trip.award_token
    assert confirmed.bid_version == 2
    assert silo.sql(
        "SELECT count(*) FROM outbox WHERE NOT 'silo:hospital' = ANY (audience)"
        " AND type LIKE '%%BidClosed'"
    ) == [(0,)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit_level": words.TRANSPORT_LEVEL_BLS}, "LEVEL_TOO_LOW"),
        ({"material_version": 7}, "TRIP_CHANGED"),
    ],
)
async def test_a_bid_that_does_not_fit_is_refused(
    silo: EmsSilo, changes: dict[str, object], reason: str
) -> None:
    swift = await run(silo)
    await swift.offer()

    answer = await refused(
        silo.bids.SubmitBid(swift.submission(**changes), metadata=swift.agency.dispatcher)
    )

    assert (answer.code, answer.reason) == (Code.FAILED_PRECONDITION, reason)


async def test_nobody_bids_after_the_deadline(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer(offer_expire_time=timestamp(utc_now() - timedelta(seconds=1)))

    answer = await refused(swift.bid())

    assert (answer.code, answer.reason) == (Code.FAILED_PRECONDITION, "BID_DEADLINE_PASSED")


async def test_a_second_live_bid_is_refused_with_the_first_ones_id(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    first = await swift.bid()

    answer = await refused(swift.bid())

    assert (answer.code, answer.reason) == (Code.ALREADY_EXISTS, "BID_EXISTS")
    assert answer.facts["id"] == first.id


async def test_a_bid_is_revised_and_withdrawn_while_it_is_undecided(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid()

    def revision(etag: str) -> bids.ReviseBidRequest:
        cheaper = swift.terms(bid_amount={"currency_code": "USD", "units": 500})
        return bids.ReviseBidRequest(bid_id=bid.id, bid=cheaper, etag=etag, **swift.agency.own)

    revised = await silo.bids.ReviseBid(revision(bid.etag), metadata=swift.agency.dispatcher)
    stale = await refused(silo.bids.ReviseBid(revision(bid.etag), metadata=swift.agency.dispatcher))
    withdrawal = bids.WithdrawBidRequest(bid_id=bid.id, **swift.agency.own)
    await silo.bids.WithdrawBid(withdrawal, metadata=swift.agency.dispatcher)
    late = await refused(
        silo.bids.ReviseBid(revision(revised.bid.etag), metadata=swift.agency.dispatcher)
    )

    assert revised.bid.bid_amount.units == 500
    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    assert (late.reason, late.facts["state"]) == ("BID_NOT_PENDING", "WITHDRAWN")
    assert silo.kinds(f"transport_bids/{bid.id}") == ["BidSubmitted", "BidRevised", "BidClosed"]


async def test_awards_that_cannot_be_kept_are_declined(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid()
    withdrawal = bids.WithdrawBidRequest(bid_id=bid.id, **swift.agency.own)

    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id, seconds=-1))
    await silo.hear(swift.trip.awarded(str(uuid4()), swift.agency.id))
    swift.trip.material_version = 2
    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id))
    await silo.bids.WithdrawBid(withdrawal, metadata=swift.agency.dispatcher)
    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id))

    reasons = [each.reason for each in silo.payloads("awards/%")]
    assert reasons == ["DEADLINE_PASSED", "BID_NOT_PENDING", "TRIP_CHANGED", "BID_WITHDRAWN"]
    assert silo.sql("SELECT count(*) FROM assignment") == [(0,)]


async def test_a_redelivered_award_changes_nothing(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid()
    award = swift.trip.awarded(bid.id, swift.agency.id)

    await silo.hear(award)
    before = silo.kinds()
    await silo.hear(award)

    assert silo.kinds() == before


async def test_an_agency_may_answer_by_hand(silo: EmsSilo) -> None:
    swift = await run(silo)
    await configure(silo)
    await swift.offer()
    bid = await swift.bid()
    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id))
    waiting = await swift.get_bid(bid.id)

    def answer(token: str) -> jobs.ConfirmAwardRequest:
        return jobs.ConfirmAwardRequest(bid_id=bid.id, award_token=token, **swift.agency.own)

    wrong = await refused(
        silo.jobs.ConfirmAward(answer(str(uuid4())), metadata=swift.agency.dispatcher)
    )
    assert waiting.award_token == swift.trip.award_token
    assert (wrong.code, wrong.reason) == (Code.FAILED_PRECONDITION, "AWARD_NOT_OFFERED")

    confirmed = await silo.jobs.ConfirmAward(
        answer(waiting.award_token), metadata=swift.agency.dispatcher
    )

    assert confirmed.assignment.status == words.JOB_STATUS_ACCEPTED
    assert "AwardConfirmed" in silo.kinds()
    assert not (await swift.get_bid(bid.id)).award_token


async def test_an_agency_may_decline_or_be_too_late(silo: EmsSilo) -> None:
    swift = await run(silo)
    await configure(silo)
    await swift.offer()
    bid = await swift.bid()
    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id, seconds=0.2))
    late = swift.trip.award_token

    async def is_declined() -> bool:
        return "AwardDeclined" in silo.kinds(f"awards/{late}")

    await until(is_declined)
    await silo.hear(swift.trip.reopened(), swift.trip.awarded(bid.id, swift.agency.id))

    request = jobs.DeclineAwardRequest(
        bid_id=bid.id, award_token=swift.trip.award_token, **swift.agency.own
    )
    await silo.jobs.DeclineAward(request, metadata=swift.agency.dispatcher)

    answers = {each.award_token: each.reason for each in silo.payloads("awards/%")}
    assert answers == {late: "DEADLINE_PASSED", swift.trip.award_token: "DECLINED_BY_AGENCY"}
    assert (await swift.get_bid(bid.id)).status == words.BID_STATUS_WITHDRAWN


async def test_a_withdrawal_answers_an_award_that_waits(silo: EmsSilo) -> None:
    swift = await run(silo)
    await configure(silo)
    await swift.offer()
    bid = await swift.bid()
    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id))

    withdrawal = bids.WithdrawBidRequest(bid_id=bid.id, **swift.agency.own)
    await silo.bids.WithdrawBid(withdrawal, metadata=swift.agency.dispatcher)
    await silo.hear(swift.trip.reopened())

    assert [each.reason for each in silo.payloads("awards/%")] == ["BID_WITHDRAWN"]
    withdrawn = await swift.get_bid(bid.id)
    assert (withdrawn.status, withdrawn.award_token) == (words.BID_STATUS_WITHDRAWN, "")
    assert (await swift.bid()).status == words.BID_STATUS_PENDING


async def test_a_cancellation_answers_an_award_that_waits(silo: EmsSilo) -> None:
    swift = await run(silo)
    await configure(silo)
    await swift.offer()
    bid = await swift.bid()
    await silo.hear(swift.trip.awarded(bid.id, swift.agency.id))

    await silo.hear(swift.trip.cancellation(), swift.trip.cancelled())

    assert [each.reason for each in silo.payloads("awards/%")] == ["CANCELLATION_REQUESTED"]
    assert (await swift.get_bid(bid.id)).status == words.BID_STATUS_REJECTED


async def test_bids_are_listed_a_page_at_a_time(silo: EmsSilo) -> None:
    swift = await run(silo)
    made = []
    for _ in range(3):
        each = Run(swift.agency)
        await each.offer()
        made.append((await each.bid()).id)

    request = bids.ListBidsRequest(agency_id=str(swift.agency.id), page_size=2)
    first = await silo.bids.ListBids(request, metadata=swift.agency.dispatcher)
    request.page_token = first.next_page_token
    second = await silo.bids.ListBids(request, metadata=swift.agency.dispatcher)
    request.page_token = first.next_page_token[:-4] + "AAAA"
    tampered = await refused(silo.bids.ListBids(request, metadata=swift.agency.dispatcher))

    assert [bid.id for bid in (*first.bids, *second.bids)] == made[::-1]
    assert not second.next_page_token
    assert (tampered.code, tampered.fields) == (Code.INVALID_ARGUMENT, ["page_token"])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"bid_amount": {"currency_code": "USD", "units": -1}}, "bid.bid_amount"),
    ({"bid_amount": {"currency_code": "USD", "nanos": 1}}, "bid.bid_amount"),
    ({"bid_amount": {"currency_code": "EUR", "units": 1}}, "bid.bid_amount"),
    ({"special_notes": "x" * 501}, "bid.special_notes"),
    ({"special_notes": "a\0b"}, "bid.special_notes"),
    ({"unit_level": 42}, "bid.unit_level"),
    ({"material_version": 0}, "bid.material_version"),
    ({"expire_time": Timestamp(seconds=253402300799)}, "bid.expire_time"),
    ({"expire_time": Timestamp(seconds=946684800)}, "bid.expire_time"),
]


async def test_bad_input_names_its_field_before_any_row_is_read(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    for values, field in BAD:
        answer = await refused(swift.bid(**values))
        assert (answer.code, field in answer.fields) == (Code.INVALID_ARGUMENT, True), values
    arrival = {"estimated_arrival_time": timestamp(utc_now() + timedelta(hours=2))}
    pickup = {"estimated_pickup_time": timestamp(utc_now() + timedelta(hours=1))}
    crossed = await refused(swift.bid(**arrival, **pickup))
    assert (crossed.code, crossed.fields) == (
        Code.INVALID_ARGUMENT,
        ["bid.estimated_pickup_time"],
    )
    assert silo.sql("SELECT count(*) FROM transport_bid") == [(0,)]


async def configure(silo: EmsSilo) -> None:
    changed = system_configurations_pb2.SystemConfigurationChanged(
        key="award.confirm", value_type="TEXT", is_active=True, version=1
    )
    changed.value.string_value = "manual"
    await silo.hear(changed)
