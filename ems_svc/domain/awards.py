"""The agency's answer to an award, and what becomes of a job that ends early."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.vocabulary import BidStatus, JobStatus
from ems_svc.domain.agencies import Agency
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.events import AwardConfirmed, Event
from ems_svc.domain.offered_trips import OfferedTrip
from ems_svc.domain.transport_bids import TransportBid
from ems_svc.domain.units import Unit

CLOSED = {
    BidStatus.WITHDRAWN: "BID_WITHDRAWN",
    BidStatus.EXPIRED: "BID_EXPIRED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """The hospital's choice, as it arrived."""

    award_token: UUID
    bid_id: UUID
    agency_id: UUID
    confirm_deadline_at: datetime
    material_version: int


def objection(  # noqa: PLR0911 - one reason a line, in the order of domain.md 3.4
    award: Award,
    *,
    trip: OfferedTrip,
    agency: Agency | None,
    bid: TransportBid | None,
    aboard: bool,
    at: datetime,
) -> str | None:
    """Say why the award cannot be kept, as a code, or None when it can.

    A bid that lapsed since the hospital chose it still counts: the hospital's clock decided, and
    the sweeper leaves it its grace.
    """
    if at > award.confirm_deadline_at:
        return "DEADLINE_PASSED"
    if bid is None:
        return "BID_NOT_PENDING"
    if bid.status is not BidStatus.PENDING:
        return CLOSED.get(bid.status, "BID_NOT_PENDING")
    if agency is None or not agency.is_active:
        return "AGENCY_SUSPENDED"
    if not award.material_version == bid.material_version == trip.material_version:
        return "TRIP_CHANGED"
    if aboard:
        return "PATIENT_ABOARD"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """New values of everything that one decision changes, and what it announces."""

    events: tuple[Event, ...]
    trip: OfferedTrip | None = None
    job: Assignment | None = None
    unit: Unit | None = None
    bid: TransportBid | None = None


def confirm(
    trip: OfferedTrip, bid: TransportBid, *, award: Award, id: UUID, at: datetime
) -> Outcome:
    """Accept: the bid has won and the job begins. Rivals are the repository's to find."""
    accepted, closed = bid.close(BidStatus.ACCEPTED, at)
    job = Assignment(
        agency_id=bid.agency_id,
        id=id,
        hospital_id=bid.hospital_id,
        transport_request_id=bid.transport_request_id,
        bid_id=bid.id,
        award_token=award.award_token,
        status=JobStatus.ACCEPTED,
        transport_level=trip.transport_level,
        required_capabilities=trip.required_capabilities,
        unit_id=None,
        planned_unit_id=None,
        planned_start_at=None,
        material_version=trip.material_version,
        confirmed_material_version=bid.material_version,
        accepted_at=at,
        en_route_at=None,
        arrived_pickup_at=None,
        picked_up_at=None,
        arrived_destination_at=None,
        completed_at=None,
        unit_assigned_at=None,
        released_at=None,
        release_reason=None,
        eta_pickup_at=None,
        eta_destination_at=None,
        deadhead_miles=None,
        loaded_miles=None,
        created_at=at,
        updated_at=at,
        row_version=1,
    )
    held = trip.awaiting(
        award_token=award.award_token,
        agency_id=bid.agency_id,
        bid_id=bid.id,
        deadline=award.confirm_deadline_at,
    ).answered()
    return Outcome(trip=held, job=job, bid=accepted, events=(AwardConfirmed(job, accepted), closed))


def end(
    job: Assignment,
    unit: Unit | None,
    bid: TransportBid,
    *,
    status: JobStatus,
    reason: str,
    at: datetime,
) -> Outcome:
    """End a job before pickup: its unit is free, its bid released. The caller adds its event."""
    ended = job.end(status, reason, at)
    released, closed = bid.release(at)
    if unit is None:
        return Outcome(job=ended, bid=released, events=(closed,))
    freed, changed = unit.follow(status, at)
    return Outcome(job=ended, unit=freed, bid=released, events=(changed, closed))
