"""Valid values of the EMS silo to start from; a test names only what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from chassis.vocabulary import (
    AgeBand,
    JobStatus,
    Priority,
    TransportLevel,
    UnitStatus,
    UnitType,
    WeightBand,
)
from ems_svc.domain import awards, transport_bids, units
from ems_svc.domain.assignments import STEPS, TIMES, Assignment
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.domain.transport_bids import Terms, TransportBid
from ems_svc.domain.units import FOLLOWS, Unit

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
AGENCY = UUID(int=7)


def terms(**changes: Any) -> Terms:
    known = Terms(
        bid_amount=Decimal("618.44"),
        estimated_arrival_at=None,
        estimated_pickup_at=None,
        special_notes=None,
        unit_level=TransportLevel.ALS,
        expires_at=None,
        material_version=1,
    )
    return replace(known, **changes)


def a_bid(**changes: Any) -> TransportBid:
    bid, _ = transport_bids.submit(
        agency_id=AGENCY,
        id=uuid4(),
        hospital_id=uuid4(),
        transport_request_id=uuid4(),
        terms=terms(),
        by=uuid4(),
        at=NOON,
    )
    return replace(bid, **changes)


def a_trip(**changes: Any) -> OfferedTrip:
    known = OfferedTrip(
        hospital_id=uuid4(),
        transport_request_id=uuid4(),
        trip_number="T-1",
        transport_level=TransportLevel.ALS,
        priority=Priority.HIGH,
        required_capabilities=["OXYGEN"],
        age_band=AgeBand.ADULT,
        weight_band=WeightBand.UNDER_300_LB,
        origin_facility_id=uuid4(),
        destination_facility_id=uuid4(),
        ready_at=NOON,
        latest_pickup_at=NOON + timedelta(hours=2),
        offers={},
        broadcast_at=NOON,
        offer_expires_at=NOON + timedelta(minutes=30),
        state=OfferState.OPEN,
        award_token=None,
        awarded_agency_id=None,
        awarded_bid_id=None,
        confirm_deadline_at=None,
        material_version=1,
        trip_version=1,
    )
    return replace(known, **changes)


def a_unit(**changes: Any) -> Unit:
    unit, _ = units.create(
        AGENCY,
        uuid4(),
        NOON,
        unit_number="M1",
        type=UnitType.ALS,
        crew_level=TransportLevel.ALS,
        capabilities=["OXYGEN"],
        shift_start_at=None,
        shift_end_at=None,
    )
    return replace(unit, **changes)


def an_award(bid: TransportBid, **changes: Any) -> awards.Award:
    known = awards.Award(
        award_token=uuid4(),
        bid_id=bid.id,
        agency_id=bid.agency_id,
        confirm_deadline_at=NOON + timedelta(seconds=120),
        material_version=1,
    )
    return replace(known, **changes)


def a_job(status: JobStatus = JobStatus.ACCEPTED) -> Assignment:
    """Make a job in any state, as if it had come there one step a minute."""
    bid = a_bid()
    job = awards.confirm(
        a_trip(), bid, award=an_award(bid), id=uuid4(), loaded_miles=98.6, at=NOON
    ).job
    if status in STEPS:
        reached = STEPS[1 : STEPS.index(status) + 1]
        times: dict[str, Any] = {
            TIMES[step]: NOON + timedelta(minutes=minute)
            for minute, step in enumerate(reached, start=1)
        }
        ended = NOON + timedelta(minutes=5) if status is JobStatus.COMPLETED else None
        return replace(job, status=status, released_at=ended, unit_id=uuid4(), **times)
    return replace(job, status=status, released_at=NOON)


def on(job: Assignment) -> Unit:
    """Make the unit that a job moves with."""
    status = FOLLOWS.get(job.status, UnitStatus.AVAILABLE)
    busy = job.id if job.status in FOLLOWS else None
    return a_unit(current_status=status, current_assignment_id=busy)
