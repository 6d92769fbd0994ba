"""Trips, bids and awards in any state, for rules that need no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chassis.vocabulary import (
    ActorKind,
    AgeBand,
    BidStatus,
    CancellationIntent,
    CancellationReason,
    OfferMode,
    Priority,
    TransportLevel,
    TripStatus,
    WeightBand,
)
from hospital_svc.domain.awards import Award, AwardState
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.received_bids import ReceivedBid
from hospital_svc.domain.transport_requests import ENDED, WAY, Actor, TransportRequest
from hospital_svc.domain.trip_progress import MOMENTS, News

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)
HOSPITAL, AGENCY, AWARD, TRIP = uuid4(), uuid4(), uuid4(), uuid4()
STAFF = Actor(kind=ActorKind.HOSPITAL_USER, user_id=uuid4())
CREW = Actor(kind=ActorKind.EMS_USER, user_id=uuid4(), event_id=uuid4())
PLAN = Plan(offers=(), broadcast_at=LATER, offer_expires_at=LATER + timedelta(minutes=30))


def a_trip(status: TripStatus = TripStatus.PENDING, **changes: Any) -> TransportRequest:
    """Return a trip as it is in ``status``, with every column that the database then demands."""
    trip = TransportRequest(
        hospital_id=HOSPITAL,
        id=TRIP,
        trip_number="20261125-7QK2M",
        patient_id="p",
        origin_detail=None,
        destination_detail=None,
        special_requirements=None,
        origin_hospital_id=HOSPITAL,
        origin_facility_id=uuid4(),
        destination_hospital_id=uuid4(),
        destination_facility_id=uuid4(),
        transport_level=TransportLevel.ALS,
        priority=Priority.HIGH,
        required_capabilities=["OXYGEN"],
        age_band=AgeBand.ADULT,
        weight_band=WeightBand.UNDER_300_LB,
        ready_at=NOON,
        latest_pickup_at=NOON + timedelta(hours=3),
        offer_mode=OfferMode.CASCADE,
        offer_expires_at=NOON + timedelta(minutes=30),
        requested_at=NOON,
        created_by_id=uuid4(),
        created_at=NOON,
        updated_at=NOON,
        row_version=5,
    )
    return replace(trip, status=status, **_columns(status), **changes)


def _columns(status: TripStatus) -> dict[str, Any]:
    ended: dict[TripStatus, dict[str, Any]] = {
        TripStatus.CANCELLED: {
            "cancelled_at": NOON,
            "cancellation_reason": CancellationReason.OTHER,
        },
        TripStatus.EXPIRED: {"expired_at": NOON},
    }
    if status in ended:
        return ended[status]
    if status is TripStatus.PENDING:
        return {}
    columns: dict[str, Any] = {
        "awarded_at": NOON,
        "award_id": AWARD,
        "assigned_agency_id": AGENCY,
    }
    passed = WAY[: WAY.index(status) + 1] if status in WAY else ()
    columns |= {MOMENTS[each]: NOON for each in passed}
    if len(passed) > 1:
        columns["assigned_unit_id"] = uuid4()
    return columns


def asked(trip: TransportRequest, intent: CancellationIntent) -> TransportRequest:
    """Return ``trip`` with a question to EMS that it has yet to answer."""
    return replace(
        trip,
        cancellation_reason=CancellationReason.DUPLICATE,
        cancel_requested_at=NOON,
        cancel_requested_by=uuid4(),
        cancel_token=uuid4(),
        cancel_intent=intent,
    )


def a_bid(**changes: Any) -> ReceivedBid:
    known: dict[str, Any] = {
        "hospital_id": HOSPITAL,
        "id": uuid4(),
        "transport_request_id": TRIP,
        "agency_id": AGENCY,
        "bid_amount": None,
        "currency_code": "USD",
        "estimated_arrival_at": None,
        "estimated_pickup_at": None,
        "special_notes": None,
        "unit_level": TransportLevel.ALS,
        "status": BidStatus.PENDING,
        "expires_at": LATER + timedelta(hours=1),
        "material_version": 1,
        "submitted_at": NOON,
        "bid_version": 1,
    }
    return ReceivedBid(**(known | changes))


def an_award(id: UUID = AWARD, **changes: Any) -> Award:
    known: dict[str, Any] = {
        "hospital_id": HOSPITAL,
        "id": id,
        "transport_request_id": TRIP,
        "bid_id": uuid4(),
        "agency_id": AGENCY,
        "bid_amount": None,
        "currency_code": "USD",
        "state": AwardState.TENTATIVE,
        "material_version": 1,
        "awarded_by_id": None,
        "awarded_at": NOON,
        "confirm_deadline_at": NOON + timedelta(seconds=120),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Award(**(known | changes))


def news(status: TripStatus, occurred_at: datetime = LATER, material_version: int = 1) -> News:
    return News(
        status=status,
        occurred_at=occurred_at,
        unit_id=uuid4(),
        unit_number="M1",
        material_version=material_version,
        by=CREW,
        at=LATER,
    )


def holds(trip: TransportRequest) -> None:
    """Check what the database's constraints demand of a trip."""
    open_or_over = trip.status in {TripStatus.PENDING, TripStatus.CANCELLED, TripStatus.EXPIRED}
    assert (trip.award_id is None) == open_or_over
    assert (trip.award_id is None) == (trip.assigned_agency_id is None)
    assert trip.assigned_unit_id is None or trip.award_id is not None
    aboard = {TripStatus.IN_TRANSIT, TripStatus.AT_DESTINATION, TripStatus.COMPLETED}
    assert (trip.picked_up_at is not None) == (trip.status in aboard)
    assert trip.status not in WAY[1:] or trip.assigned_unit_id is not None
    for status, name in (
        (TripStatus.COMPLETED, "completed_at"),
        (TripStatus.CANCELLED, "cancelled_at"),
        (TripStatus.EXPIRED, "expired_at"),
    ):
        assert (getattr(trip, name) is not None) == (trip.status is status)
    times = [getattr(trip, name) for name in MOMENTS.values()]
    known = [each for each in times if each is not None]
    assert known == sorted(known)
    assert trip.status in ENDED or trip.is_live
