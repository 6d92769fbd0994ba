"""What falls due at EMS happens once, and never to a bid or an award that has moved on.

Proves, for bids that lapse and for awards that an agency answers by hand: in both orders, whoever
holds the row decides and the other finds it decided; what moved on after it was listed is left
alone; a bid that won does not lapse while its agency has yet to answer, and an agency that is
suspended keeps no hospital waiting. With the question under the lock taken out of ``react`` the
first two are red.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from medport.center.events.v1 import services_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.ems.v1 import transport_bids_pb2 as bids

from chassis.clock import timestamp, utc_now
from chassis.reactions import Due, Outcome, Reacting
from ems_svc.timers.awards import AwardDeadlines
from ems_svc.timers.transport_bids import BidExpiries
from tests.integration.ems.test_agencies import standing
from tests.integration.ems.test_transport_bids import configure
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.reacting import shown, turn
from tests.support.waiting import until_blocked

LATER = timedelta(minutes=62)  # when a bid has lapsed and its grace is over

Move = Callable[[], Awaitable[Any]]


async def waiting(swift: Run, **terms: Any) -> bids.TransportBid:
    """Make a bid that won and waits for its agency, which answers by hand."""
    await configure(swift.silo)
    await swift.offer()
    bid = await swift.bid(**terms)
    await swift.silo.hear(swift.trip.awarded(bid.id, swift.agency.id))
    return await swift.get_bid(bid.id)


async def lapsing_bid(swift: Run) -> tuple[Reacting[Any], Move, str]:
    """Make a bid that lapses, and its withdrawal."""
    await swift.offer()
    bid = await swift.bid()
    request = bids.WithdrawBidRequest(bid_id=bid.id, **swift.agency.own)

    async def withdraw() -> None:
        await swift.silo.bids.WithdrawBid(request, metadata=swift.agency.dispatcher)

    return BidExpiries(), withdraw, f"transport_bids/{bid.id}"


async def unanswered_award(swift: Run) -> tuple[Reacting[Any], Move, str]:
    """Make an award that waits for its agency, and the agency's answer."""
    bid = await waiting(swift)
    request = jobs.DeclineAwardRequest(
        bid_id=bid.id, award_token=bid.award_token, **swift.agency.own
    )

    async def answer() -> None:
        await swift.silo.jobs.DeclineAward(request, metadata=swift.agency.dispatcher)

    return AwardDeadlines(), answer, f"awards/{bid.award_token}"


CASES = pytest.mark.parametrize("make", [lapsing_bid, unanswered_award])


async def listed(silo: EmsSilo, reacting: Reacting[Any]) -> Due[Any]:
    [due] = await reacting.coming(silo.database, until=utc_now() + LATER, fetch=10)
    return due


async def react(silo: EmsSilo, reacting: Reacting[Any], due: Due[Any]) -> Outcome:
    async with silo.database.begin(due.tenant) as uow:
        return await reacting.react(uow, due, lambda: utc_now() + LATER)


@CASES
async def test_what_moved_on_since_it_was_listed_is_left_alone(silo: EmsSilo, make: Any) -> None:
    reacting, move, subject = await make(await run(silo))
    due = await listed(silo, reacting)
    await move()
    before = silo.kinds(subject)

    assert await react(silo, reacting, due) is Outcome.MOVED_ON
    assert silo.kinds(subject) == before


@CASES
async def test_what_somebody_holds_is_left_to_them(silo: EmsSilo, make: Any) -> None:
    reacting, move, subject = await make(await run(silo))
    before = silo.kinds(subject)
    due = await listed(silo, reacting)
    async with silo.database.begin(due.tenant) as deciding:
        at = utc_now() + LATER
        assert await reacting.react(deciding, due, lambda: at) is Outcome.DONE  # and holds it
        assert await react(silo, reacting, due) is Outcome.BUSY
        moving = asyncio.ensure_future(move())
        await until_blocked(silo.dsn, 1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await moving

    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert len(silo.kinds(subject)) == len(before) + 1
    assert await react(silo, reacting, due) is Outcome.MOVED_ON


async def test_a_bid_expires_a_minute_after_it_lapsed(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid(expire_time=timestamp(utc_now() + timedelta(minutes=5)))
    lapse = utc_now() + timedelta(minutes=5)

    assert await turn(BidExpiries(), silo.database, lapse + timedelta(seconds=30)) == 0
    assert await turn(BidExpiries(), silo.database, lapse + timedelta(seconds=61)) == 1

    assert (await swift.get_bid(bid.id)).status == words.BID_STATUS_EXPIRED
    again = await swift.bid()
    await silo.hear(swift.trip.expired())
    assert (await swift.get_bid(again.id)).status == words.BID_STATUS_EXPIRED


async def test_a_bid_that_won_does_not_lapse_before_its_agency_has_answered(silo: EmsSilo) -> None:
    swift = await run(silo)
    bid = await waiting(swift, expire_time=timestamp(utc_now() + timedelta(seconds=30)))
    late = utc_now() + timedelta(seconds=100)  # before the award's deadline
    expiries = BidExpiries()

    assert await turn(expiries, silo.database, late) == 0
    due = Due(swift.agency.id, (swift.agency.id, UUID(bid.id)), late)  # as if listed before it won
    async with silo.database.begin(due.tenant) as uow:
        assert await expiries.react(uow, due, lambda: late) is Outcome.MOVED_ON

    assert await turn(AwardDeadlines(), silo.database, late + timedelta(seconds=60)) == 1
    assert await turn(expiries, silo.database, late + timedelta(seconds=60)) == 1


async def test_an_award_is_declined_at_once_when_its_agency_is_suspended(silo: EmsSilo) -> None:
    swift, steady = await run(silo), await run(silo)
    bid = await waiting(swift)
    other = await waiting(steady)

    await silo.hear(standing(swift.agency, services_pb2.ServiceSuspended, 2))

    assert [each.reason for each in silo.payloads("awards/%")] == ["AGENCY_SUSPENDED"]
    assert (await swift.get_bid(bid.id)).status == words.BID_STATUS_REJECTED
    assert (await steady.get_bid(other.id)).award_token == other.award_token
    await silo.hear(swift.trip.reopened())
    await silo.hear(standing(swift.agency, services_pb2.ServiceReinstated, 3))
    assert (await swift.bid()).status == words.BID_STATUS_PENDING


async def test_what_is_due_is_found_for_every_agency_and_shown_to_none(silo: EmsSilo) -> None:
    runs = [await run(silo) for _ in range(2)]
    for each in runs:
        await each.offer()
        await each.bid()
    found = await BidExpiries().coming(silo.database, until=utc_now() + LATER, fetch=10)

    assert {due.tenant for due in found} == {each.agency.id for each in runs}
    assert shown(silo.dsn, "transport_bid") == 0
