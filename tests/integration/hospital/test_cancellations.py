"""Letting a trip go: at once while open, by asking EMS once it is awarded, and what may follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import assignments_pb2
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import utc_now
from hospital_svc.timers.awards import AwardTimeouts
from hospital_svc.timers.transport_requests import OfferExpiries
from tests.support.hospital_silo import HospitalSilo, hospital_silo, refused
from tests.support.hospital_trips import Ward, ward
from tests.support.reacting import turn
from tests.support.waiting import until


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        yield opened


@pytest.fixture
async def mercy(silo: HospitalSilo) -> Ward:
    return await ward(silo)


async def cancel(mercy: Ward, trip: pb.TransportRequest) -> pb.CancelTransportRequestResponse:
    request = mercy.cancellation(trip)
    return await mercy.silo.trips.CancelTransportRequest(request, metadata=mercy.staff)


async def revoke(mercy: Ward, trip: pb.TransportRequest) -> Any:
    request = pb.RevokeAwardRequest(
        hospital_id=mercy.hospital_id, transport_request_id=trip.id, request_id=str(uuid4())
    )
    return await mercy.silo.trips.RevokeAward(request, metadata=mercy.staff)


def cancel_token(mercy: Ward) -> str:
    return str(mercy.silo.sql("SELECT cancel_token FROM transport_request")[0][0])


async def test_an_open_trip_is_cancelled_at_once(mercy: Ward) -> None:
    answer = await cancel(mercy, await mercy.create())
    assert answer.outcome == pb.RELEASE_OUTCOME_DONE
    assert answer.transport_request.status == words.TRIP_STATUS_CANCELLED
    assert mercy.silo.events()[-1] == ("TransportRequestCancelled", 2)


async def test_an_accepted_trip_is_cancelled_when_ems_says_so(mercy: Ward) -> None:
    trip = await mercy.accepted()
    answer = await cancel(mercy, trip)
    assert answer.outcome == pb.RELEASE_OUTCOME_REQUESTED
    assert answer.transport_request.status == words.TRIP_STATUS_ACCEPTED
    told = await refused(cancel(mercy, trip))
    assert told.reason == "CANCELLATION_OUTSTANDING"
    stale = assignments_pb2.CancellationConfirmed(job=mercy.job(trip), cancel_token=str(uuid4()))
    await mercy.silo.hear(stale)
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_ACCEPTED
    stale.cancel_token = cancel_token(mercy)
    await mercy.silo.hear(stale)
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_CANCELLED
    assert mercy.silo.sql("SELECT state FROM award") == [("CANCELLED",)]


async def test_a_refused_cancellation_lets_the_trip_go_on(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await cancel(mercy, trip)
    no = assignments_pb2.CancellationRefused(
        job=mercy.job(trip), cancel_token=cancel_token(mercy), reason="PATIENT_ABOARD"
    )
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_IN_TRANSIT), no)
    aboard = await mercy.get(trip.id)
    assert aboard.status == words.TRIP_STATUS_IN_TRANSIT
    assert aboard.HasField("cancel_refuse_time")
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_COMPLETED


async def test_meanwhile_the_patient_may_be_requested_anew(mercy: Ward) -> None:
    trip = await mercy.accepted(patient_id="p-1")
    await cancel(mercy, trip)
    assert (await mercy.create(patient_id="p-1")).id != trip.id


async def test_a_decline_or_drop_ends_a_trip_whose_end_is_asked(mercy: Ward) -> None:
    declined, dropped = await mercy.awarded(), await mercy.accepted()
    for trip in (declined, dropped):
        await cancel(mercy, trip)
    await mercy.silo.hear(
        assignments_pb2.AwardDeclined(
            trip=mercy.ref(declined), award_token=declined.award_id, reason="BID_EXPIRED"
        ),
        assignments_pb2.TripDropped(job=mercy.job(dropped), reason="BREAKDOWN"),
    )
    for trip in (declined, dropped):
        assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_CANCELLED


async def test_a_confirmed_award_is_taken_back_when_ems_says_so(mercy: Ward) -> None:
    trip = await mercy.accepted()
    assert (await revoke(mercy, trip)).outcome == pb.RELEASE_OUTCOME_REQUESTED
    yes = assignments_pb2.CancellationConfirmed(
        job=mercy.job(trip), cancel_token=cancel_token(mercy)
    )
    await mercy.silo.hear(yes)
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_PENDING
    assert mercy.silo.sql("SELECT state FROM award") == [("REVOKED",)]


async def test_an_unanswered_award_is_taken_back_once_it_is_overdue(mercy: Ward) -> None:
    trip = await mercy.awarded()
    told = await refused(revoke(mercy, trip))
    assert told.reason == "CONFIRMATION_OUTSTANDING"
    mercy.silo.sql("UPDATE award SET confirm_deadline_at = now() - interval '1 minute'")
    assert (await revoke(mercy, trip)).outcome == pb.RELEASE_OUTCOME_DONE
    assert [kind for kind, _ in mercy.silo.events()][-2:] == [
        "AwardRevoked",
        "TransportRequestReopened",
    ]


async def test_the_clock_takes_back_an_award_only_when_ems_was_heard(mercy: Ward) -> None:
    trip, timeouts = await mercy.awarded(), AwardTimeouts()
    later = utc_now() + timedelta(minutes=5)

    async def sweep() -> int:
        return await turn(timeouts, mercy.silo.database, later)

    assert await sweep() == 0
    timeouts.bookmarked(utc_now() + timedelta(seconds=140))  # past the deadline, not the grace
    assert await sweep() == 0
    timeouts.bookmarked(later)
    assert await sweep() == 1
    assert await sweep() == 0
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_PENDING
    assert mercy.silo.sql("SELECT state, reason FROM award") == [("REVOKED", "TIMED_OUT")]
    await mercy.silo.hear(mercy.confirmation(trip))  # too late, and told so by AwardRevoked
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_PENDING


async def test_a_trip_expires_when_no_bid_lives(mercy: Ward) -> None:
    with_bid, without = await mercy.create(), await mercy.create()
    await mercy.bid(with_bid)
    mercy.silo.sql(
        "UPDATE transport_request SET requested_at = requested_at - interval '1 day',"
        " offer_expires_at = now() - interval '31 seconds'"
    )

    async def is_given_up() -> bool:
        return (await mercy.get(without.id)).status == words.TRIP_STATUS_EXPIRED

    await until(is_given_up)
    assert await turn(OfferExpiries(), mercy.silo.database, utc_now()) == 0
    assert (await mercy.get(with_bid.id)).status == words.TRIP_STATUS_PENDING
    gone = await mercy.get(without.id)
    assert gone.HasField("expire_time")


async def test_a_patient_aboard_elsewhere_wins_over_the_newer_award(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await mercy.silo.hear(assignments_pb2.TripDropped(job=mercy.job(trip), reason="BREAKDOWN"))
    mercy.silo.sql("UPDATE received_bid SET status = 'RELEASED', bid_version = 3")
    again = await mercy.get(trip.id)
    newer = await mercy.silo.trips.AwardTransportRequest(
        mercy.award(again, await mercy.bid(again)), metadata=mercy.staff
    )
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_EN_ROUTE))
    assert (await mercy.get(trip.id)).award_id == newer.transport_request.award_id
    await mercy.silo.hear(mercy.advance(trip, words.JOB_STATUS_IN_TRANSIT))
    aboard = await mercy.get(trip.id)
    assert (aboard.status, aboard.award_id) == (words.TRIP_STATUS_IN_TRANSIT, trip.award_id)
    events = mercy.silo.events()
    assert [kind for kind, _ in events][-3:] == [
        "TripConflictDetected",
        "TransportRequestProgressed",
        "AwardRevoked",
    ]
    assert [version for _, version in events] == list(range(1, len(events) + 1))
    assert mercy.silo.sql("SELECT bool_or(is_conflict) FROM trip_history") == [(True,)]


async def test_news_after_the_end_is_a_conflict_and_changes_nothing(mercy: Ward) -> None:
    trip = await mercy.accepted()
    await cancel(mercy, trip)
    yes = assignments_pb2.CancellationConfirmed(
        job=mercy.job(trip), cancel_token=cancel_token(mercy)
    )
    await mercy.silo.hear(yes, mercy.advance(trip, words.JOB_STATUS_COMPLETED))
    assert (await mercy.get(trip.id)).status == words.TRIP_STATUS_CANCELLED
    assert mercy.silo.events()[-1][0] == "TripConflictDetected"
