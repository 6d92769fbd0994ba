"""Two at once: whatever must be impossible stays impossible, proven with barriers.

Each test holds a row until PostgreSQL reports the others blocked, lets go, and counts winners.
Run: ``python -m pytest tests/integration/ems/test_races.py``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from medport.ems.v1 import transport_bids_pb2 as bids

from chassis.clock import utc_now
from tests.support.ems_rates import set_rate, usd
from tests.support.ems_shifts import Shifts
from tests.support.ems_silo import EmsSilo, outcomes
from tests.support.ems_trips import Run, run
from tests.support.refusals import told
from tests.support.row_races import JOB, UNIT, calling, failures, holding, race
from tests.support.waiting import until_blocked

RATE = "SELECT FROM agency_rate WHERE agency_id = %s FOR UPDATE"
BID = "SELECT FROM transport_bid WHERE id = %s FOR UPDATE"


async def test_of_twenty_jobs_that_want_one_unit_one_gets_it(silo: EmsSilo) -> None:
    swift = await run(silo)
    runs = [Run(swift.agency) for _ in range(20)]
    jobs = [await each.won() for each in runs]
    unit = await swift.agency.add_unit()
    wanted = list(zip(runs, jobs, strict=True))

    async with holding(silo, UNIT, unit.id):
        # The pool grows one by one: the last ones queue before the pool, not before the row.
        tasks = [
            asyncio.ensure_future(calling(partial(each.assign, job, unit.id)))
            for each, job in wanted
        ]
        await until_blocked(silo.dsn, connections=14)
    results = await outcomes(*tasks)

    lost = failures(results)
    assert len(lost) == 19
    assert set(lost) <= {"FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}
    booked = silo.sql("SELECT id FROM assignment WHERE unit_id = %s", unit.id)
    [(current,)] = silo.sql("SELECT current_assignment_id FROM unit WHERE id = %s", unit.id)
    assert booked == [(current,)]
    assert silo.kinds().count("UnitAssigned") == 1


@pytest.mark.parametrize("attempt", range(5))
async def test_cancelled_or_aboard_never_both(silo: EmsSilo, attempt: int) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    await swift.advance(job, "AT_PICKUP")
    rivals = [
        lambda: swift.advance(job, "IN_TRANSIT"),
        lambda: silo.hear(swift.trip.cancellation()),
    ]

    results = await race(silo, JOB, job.id, *(rivals if attempt % 2 else rivals[::-1]))

    answer = silo.kinds(f"assignments/{job.id}")[-1]
    [(status, picked_up)] = silo.sql(
        "SELECT status, picked_up_at FROM assignment WHERE id = %s", job.id
    )
    if failures(results):
        assert (status, picked_up, answer) == ("CANCELLED", None, "CancellationConfirmed")
        assert swift.unit_status(unit.id) == "AVAILABLE"
    else:
        assert (status, answer) == ("IN_TRANSIT", "CancellationRefused")
        assert swift.unit_status(unit.id) == "TRANSPORTING"


@pytest.mark.parametrize("attempt", range(5))
async def test_a_bid_is_withdrawn_or_wins_never_both(silo: EmsSilo, attempt: int) -> None:
    swift = await run(silo)
    await swift.offer()
    bid = await swift.bid()
    request = bids.WithdrawBidRequest(bid_id=bid.id, **swift.agency.own)
    rivals = [
        lambda: silo.bids.WithdrawBid(request, metadata=swift.agency.dispatcher),
        lambda: silo.hear(swift.trip.awarded(bid.id, swift.agency.id)),
    ]

    results = await race(silo, BID, bid.id, *(rivals if attempt % 2 else rivals[::-1]))

    answers = [kind for kind in silo.kinds() if kind in {"AwardConfirmed", "AwardDeclined"}]
    [(status,)] = silo.sql("SELECT status FROM transport_bid WHERE id = %s", bid.id)
    expected = (
        ("ACCEPTED", ["AwardConfirmed"]) if failures(results) else ("WITHDRAWN", ["AwardDeclined"])
    )
    assert (status, answers) == expected


@pytest.mark.parametrize("attempt", range(5))
async def test_a_job_moves_on_or_is_dropped_never_both(silo: EmsSilo, attempt: int) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    rivals = [lambda: swift.advance(job, "IN_TRANSIT"), lambda: swift.drop(job)]

    results = await race(silo, JOB, job.id, *(rivals if attempt % 2 else rivals[::-1]))

    assert failures(results) == ["FAILED_PRECONDITION"]
    [(status,)] = silo.sql("SELECT status FROM assignment WHERE id = %s", job.id)
    assert (status, swift.unit_status(unit.id)) in {
        ("DROPPED", "AVAILABLE"),
        ("IN_TRANSIT", "TRANSPORTING"),
    }


async def test_an_agency_has_one_live_bid_however_often_it_asks(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.offer()

    async with holding(
        silo, "SELECT FROM offered_trip WHERE transport_request_id = %s FOR UPDATE", swift.trip.id
    ):
        tasks = [asyncio.ensure_future(swift.bid()) for _ in range(5)]
        await until_blocked(silo.dsn, connections=5)
    results = await outcomes(*tasks)

    assert failures(results) == ["ALREADY_EXISTS"] * 4
    assert silo.sql("SELECT count(*) FROM transport_bid") == [(1,)]


async def test_of_two_who_read_the_same_rate_one_sets_it(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    await set_rate(swift, usd(100), usd(1))
    rivals = [partial(set_rate, swift, usd(each), usd(1), etag="1") for each in (1, 2)]

    results = await race(silo, RATE, str(swift.id), *rivals)

    assert failures(results) == ["ABORTED"]


async def test_a_shift_that_ends_while_a_unit_is_assigned_has_ended(silo: EmsSilo) -> None:
    swift = await run(silo)
    job, unit = await swift.won(), await swift.agency.add_unit()
    shifts = Shifts(swift.agency, unit.id)
    [current] = await shifts.listed()

    async with holding(silo, UNIT, unit.id):
        ending = asyncio.ensure_future(shifts.change(current, "end_time", end_at=utc_now()))
        await until_blocked(silo.dsn, connections=1)
        assigning = asyncio.ensure_future(calling(partial(swift.assign, job, unit.id)))
        await until_blocked(silo.dsn, connections=2)
    ended, assigned = await outcomes(ending, assigning)

    assert failures([ended, assigned]) == ["FAILED_PRECONDITION"]
    assert told(assigned)[0] == "UNIT_OFF_SHIFT"
    assert swift.unit_status(unit.id) == "AVAILABLE"


async def test_of_two_plans_for_the_same_time_one_is_kept(silo: EmsSilo) -> None:
    swift = await run(silo)
    shifts = Shifts(swift.agency, (await swift.agency.add_unit()).id)
    rivals = [partial(shifts.plan, hours, hours + 2) for hours in (1, 2)]

    results = await race(silo, UNIT, shifts.unit_id, *rivals)

    assert failures(results) == ["FAILED_PRECONDITION"]
    assert len(await shifts.listed()) == 2  # the plan, and what the unit began with
