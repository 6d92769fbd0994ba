"""Every state of a trip against every command: what moves, what is refused, what is ignored."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from uuid import uuid4

import pytest

from chassis.errors import Refusal
from chassis.vocabulary import CancellationIntent, CancellationReason, RegistryStatus, TripStatus
from hospital_svc.domain import awards, cancellations, destinations, needs, trip_progress
from hospital_svc.domain.awards import AwardState
from hospital_svc.domain.events import ConflictKind, RevokeReason, TripConflictDetected
from hospital_svc.domain.transport_requests import Decision, TransportRequest
from tests.support.hospital_values import (
    CREW,
    LATER,
    PLAN,
    STAFF,
    a_bid,
    a_trip,
    an_award,
    asked,
    holds,
    news,
)

S = TripStatus
Command = Callable[[TransportRequest], Decision | None]

COMMANDS: dict[str, Command] = {
    "award": lambda trip: awards.give(
        trip, a_bid(), RegistryStatus.ACTIVE, award_id=uuid4(), by=STAFF, at=LATER
    ),
    "confirm": lambda trip: awards.confirm(trip, an_award(), accepted_at=LATER, by=CREW, at=LATER),
    "decline": lambda trip: awards.decline(
        trip, an_award(), PLAN, reason="BID_EXPIRED", by=CREW, at=LATER
    ),
    "cancel": lambda trip: cancellations.cancel(
        trip, reason=CancellationReason.OTHER, note=None, token=uuid4(), by=STAFF, at=LATER
    ),
    "take_back": lambda trip: cancellations.take_back(
        trip, an_award() if trip.award_id else None, PLAN, token=uuid4(), by=STAFF, at=LATER
    ),
    "expire": lambda trip: cancellations.expire(
        trip, has_live_bid=False, at=trip.offer_expires_at + awards.ANSWER_GRACE
    ),
    "divert": lambda trip: destinations.divert(
        trip, {"destination_facility_id": uuid4()}, None, by=STAFF, at=LATER
    ),
    "receive": lambda trip: destinations.receive(trip, None, by=STAFF, at=LATER),
    "revise": lambda trip: needs.revise(trip, {"special_requirements": "x"}, at=LATER),
    "drop": lambda trip: trip_progress.drop(
        trip, an_award(state=AwardState.CONFIRMED), PLAN, reason="BREAKDOWN", by=CREW, at=LATER
    ),
    "show_unit": lambda trip: trip_progress.show_unit(
        trip, award_token=an_award().id, unit_id=uuid4(), unit_number="M1", at=LATER
    ),
    **{
        f"advance {status}": lambda trip, to=status: trip_progress.advance(  # type: ignore[misc]
            trip, an_award(state=AwardState.CONFIRMED), news(to)
        )
        for status in (
            S.EN_ROUTE,
            S.AT_PICKUP,
            S.IN_TRANSIT,
            S.AT_DESTINATION,
            S.COMPLETED,
        )
    },
}
WAITING = {S.AWARDED, S.ACCEPTED, S.EN_ROUTE, S.AT_PICKUP}
OPEN_OR_WAITING = {S.PENDING, *WAITING}
AWARDED_LIVE = {*WAITING, S.IN_TRANSIT, S.AT_DESTINATION}
LADDER = [S.AWARDED, S.ACCEPTED, S.EN_ROUTE, S.AT_PICKUP, S.IN_TRANSIT, S.AT_DESTINATION]
OVER = {S.COMPLETED, S.CANCELLED, S.EXPIRED}

# Where a command has an effect; elsewhere users are refused, and events and clocks ignored.
EFFECTIVE: dict[str, set[TripStatus]] = {
    "award": {S.PENDING},
    "confirm": {S.AWARDED},
    "decline": {S.AWARDED},
    "cancel": OPEN_OR_WAITING,
    "take_back": WAITING,
    "expire": {S.PENDING},
    "revise": OPEN_OR_WAITING,
    "divert": {*OPEN_OR_WAITING, S.IN_TRANSIT},
    "receive": {S.IN_TRANSIT, S.AT_DESTINATION, S.COMPLETED},
    "drop": WAITING,
    "show_unit": AWARDED_LIVE,
    "advance EN_ROUTE": set(LADDER[:2]),
    "advance AT_PICKUP": set(LADDER[:3]),
    # With the patient aboard, news of an award that is gone count: see the last two rows of 3.1.
    "advance IN_TRANSIT": {*LADDER[:4], S.PENDING, S.CANCELLED, S.EXPIRED},
    "advance AT_DESTINATION": {*LADDER[:5], S.PENDING, S.CANCELLED, S.EXPIRED},
    "advance COMPLETED": {*LADDER, S.PENDING, S.CANCELLED, S.EXPIRED},
}
BY_USERS = {"award", "cancel", "take_back", "revise", "divert", "receive"}


@pytest.mark.parametrize(("status", "name"), list(product(TripStatus, COMMANDS)))
def test_every_state_and_command(status: TripStatus, name: str) -> None:
    trip, command = a_trip(status), COMMANDS[name]
    holds(trip)
    if status not in EFFECTIVE[name]:
        if name in BY_USERS:
            with pytest.raises(Refusal) as told:
                command(trip)
            assert told.value.facts["state"] == status
        else:
            assert command(trip) is None
        return
    decision = command(trip)
    assert decision is not None
    holds(decision.trip)
    versions = [event.trip.row_version for event in decision.events]
    first = trip.row_version + 1
    assert versions == list(range(first, first + len(versions)))
    assert decision.trip.row_version == versions[-1]


@pytest.mark.parametrize(("status", "intent"), list(product(sorted(WAITING), CancellationIntent)))
def test_a_question_to_ems_is_asked_once_and_answered_once(
    status: TripStatus, intent: CancellationIntent
) -> None:
    trip = asked(a_trip(status), intent)
    for name in ("cancel", "take_back"):
        with pytest.raises(Refusal, match="EMS has yet to answer"):
            COMMANDS[name](trip)
    assert trip.cancel_token is not None
    award = an_award(state=AwardState.CONFIRMED)
    yes = cancellations.released(
        trip, award, PLAN, cancel_token=trip.cancel_token, by=CREW, at=LATER
    )
    assert yes is not None
    holds(yes.trip)
    ends = intent is CancellationIntent.CANCEL
    assert yes.trip.status is (S.CANCELLED if ends else S.PENDING)
    assert yes.awards[0].state is (AwardState.CANCELLED if ends else AwardState.REVOKED)
    stale = cancellations.released(trip, award, PLAN, cancel_token=uuid4(), by=CREW, at=LATER)
    assert stale is None
    no = cancellations.refused(trip, cancel_token=trip.cancel_token, at=LATER)
    assert no is not None
    assert no.trip.status is status
    assert cancellations.refused(no.trip, cancel_token=trip.cancel_token, at=LATER) is None


@pytest.mark.parametrize("name", ["decline", "drop"])
def test_whatever_frees_a_trip_ends_it_when_its_end_is_asked(name: str) -> None:
    status = S.AWARDED if name == "decline" else S.EN_ROUTE
    decision = COMMANDS[name](asked(a_trip(status), CancellationIntent.CANCEL))
    assert decision is not None
    assert decision.trip.status is S.CANCELLED
    holds(decision.trip)


def test_a_timeout_tells_the_agency_and_offers_again() -> None:
    decision = awards.revoke(
        a_trip(S.AWARDED), an_award(), PLAN, RevokeReason.TIMED_OUT, by=STAFF, at=LATER
    )
    names = [type(event).__name__ for event in decision.events]
    assert names == ["AwardRevoked", "TransportRequestReopened"]
    assert decision.awards[0].reason == "TIMED_OUT"
    assert decision.trip.offer_expires_at == PLAN.offer_expires_at


@pytest.mark.parametrize("status", [S.AT_DESTINATION, S.COMPLETED])
def test_an_arrival_under_older_needs_is_believed_and_looked_at(status: TripStatus) -> None:
    trip = a_trip(S.IN_TRANSIT, material_version=2)
    decision = trip_progress.advance(trip, an_award(), news(status, material_version=1))
    assert decision is not None
    assert decision.trip.status is status
    conflict, *_ = decision.events
    assert isinstance(conflict, TripConflictDetected)
    assert conflict.kind is ConflictKind.OLDER_NEEDS
    assert all(step.is_conflict for step in decision.steps)
    versions = [event.trip.row_version for event in decision.events]
    assert versions == [trip.row_version + 1, trip.row_version + 2]
    known = trip_progress.advance(trip, an_award(), news(status, material_version=2))
    assert known is not None
    assert len(known.events) == 1


def test_a_patient_that_was_received_goes_nowhere_else() -> None:
    received = destinations.receive(a_trip(S.IN_TRANSIT), None, by=STAFF, at=LATER).trip
    with pytest.raises(Refusal) as told:
        COMMANDS["divert"](received)
    assert told.value.reason == "ALREADY_RECEIVED"
