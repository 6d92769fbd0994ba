"""Every state times every command: what moves, and what is refused with its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, product
from uuid import uuid4

import pytest

from chassis.errors import FailedPrecondition
from chassis.vocabulary import BidStatus, JobStatus, UnitStatus
from ems_svc.domain import awards
from ems_svc.domain.assignments import BEFORE_PICKUP, STEPS, TIMES, JobState
from ems_svc.domain.awards import Held
from ems_svc.domain.offered_trips import OfferState
from ems_svc.domain.transport_bids import BidNotPending
from ems_svc.domain.units import IDLE
from tests.support.ems_builders import NOON, a_bid, a_job, a_trip, a_unit, on, terms

LATER = NOON + timedelta(hours=1)
MOVES = STEPS[1:]
ENDS = (JobStatus.DROPPED, JobStatus.CANCELLED, JobStatus.REVOKED)


@pytest.mark.parametrize(("state", "to"), list(product(JobStatus, MOVES)))
def test_a_job_moves_forward_only(state: JobStatus, to: JobStatus) -> None:
    job = a_job(state)
    forward = job.is_live and STEPS.index(to) >= STEPS.index(state)
    if not forward:
        with pytest.raises(JobState) as refused:
            job.advance(to, on(job), LATER)
        assert refused.value.facts["state"] == state
        return
    moved, unit, events = job.advance(to, on(job), LATER)
    assert moved.status is to
    assert moved.row_version == job.row_version + len(events) - (1 if events else 0)
    times = [getattr(moved, TIMES[step]) for step in STEPS[1 : STEPS.index(to) + 1]]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert (unit.current_assignment_id is None) == (to is JobStatus.COMPLETED)


@pytest.mark.parametrize(("state", "end"), list(product(JobStatus, ENDS)))
def test_a_job_ends_early_only_before_pickup(state: JobStatus, end: JobStatus) -> None:
    job = a_job(state)
    bid = a_bid(status=BidStatus.ACCEPTED)
    held = Held(job=job, unit=on(job), bid=bid, trip=None)
    if state not in BEFORE_PICKUP:
        with pytest.raises(JobState) as refused:
            awards.end(held, end, "WHY", LATER)
        assert refused.value.facts["state"] == state
        return
    outcome = awards.end(held, end, "WHY", LATER)
    assert (outcome.job.status, outcome.job.release_reason) == (end, "WHY")
    assert outcome.bid.status is BidStatus.RELEASED
    assert outcome.unit is not None
    assert outcome.unit.current_status is UnitStatus.AVAILABLE


@pytest.mark.parametrize("state", list(JobStatus))
def test_only_an_accepted_job_without_a_unit_wants_one(state: JobStatus) -> None:
    job = replace(a_job(state), unit_id=None)
    if state is JobStatus.ACCEPTED:
        job.must_want_unit()
        with pytest.raises(FailedPrecondition, match="has a unit"):
            replace(job, unit_id=uuid4()).must_want_unit()
    else:
        with pytest.raises(JobState):
            job.must_want_unit()


@pytest.mark.parametrize(("state", "to"), list(product(BidStatus, BidStatus)))
def test_only_an_undecided_bid_is_decided(state: BidStatus, to: BidStatus) -> None:
    bid = a_bid(status=state)
    if state is BidStatus.PENDING:
        closed, event = bid.close(to, LATER)
        assert (closed.status, closed.row_version, event.bid) == (to, 2, closed)
        return
    with pytest.raises(BidNotPending) as refused:
        bid.close(to, LATER)
    assert refused.value.facts["state"] == state


@pytest.mark.parametrize("state", list(BidStatus))
def test_only_an_undecided_bid_is_revised(state: BidStatus) -> None:
    bid = a_bid(status=state)
    if state is BidStatus.PENDING:
        assert bid.revise(terms(), NOON)[0].row_version == 2
    else:
        with pytest.raises(BidNotPending):
            bid.revise(terms(), NOON)


@pytest.mark.parametrize(("state", "to"), list(product(UnitStatus, IDLE)))
def test_a_units_status_is_set_only_without_a_job(state: UnitStatus, to: UnitStatus) -> None:
    busy = None if state in IDLE else uuid4()
    unit = a_unit(current_status=state, current_assignment_id=busy)
    if busy is None:
        assert unit.set_status(to, LATER)[0].current_status is to
        return
    with pytest.raises(FailedPrecondition) as refused:
        unit.set_status(to, LATER)
    assert refused.value.facts["state"] == state


@pytest.mark.parametrize("state", list(OfferState))
def test_a_trip_takes_bids_only_while_it_is_open(state: OfferState) -> None:
    trip = a_trip(state=state)
    if state is OfferState.OPEN:
        trip.must_take(terms(), NOON)
        return
    with pytest.raises(FailedPrecondition) as refused:
        trip.must_take(terms(), NOON)
    assert refused.value.facts["state"] == state


def test_times_never_run_backwards_though_clocks_do() -> None:
    job = a_job(JobStatus.AT_PICKUP)
    moved, _, _ = job.advance(JobStatus.IN_TRANSIT, on(job), NOON - timedelta(hours=1))
    assert moved.picked_up_at == job.arrived_pickup_at
