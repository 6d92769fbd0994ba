"""The agency's answer to an award, and what becomes of a job that ends early."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.errors import FailedPrecondition
from chassis.vocabulary import BidStatus, JobStatus
from ems_svc.domain.agencies import Agency, AgencyNotActive
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.events import AwardConfirmed, AwardDeclined, Event
from ems_svc.domain.offered_trips import OfferedTrip, OfferState, TripChanged
from ems_svc.domain.transport_bids import BidAlreadyExpired, BidNotPending, TransportBid
from ems_svc.domain.units import Unit


class AwardNotOffered(FailedPrecondition):
    reason = "AWARD_NOT_OFFERED"


class AwardDeadlinePassed(FailedPrecondition):
    reason = "AWARD_DEADLINE_PASSED"


# What a user hears who confirms an award that cannot be kept.
REFUSALS: dict[str, type[FailedPrecondition]] = {
    "DEADLINE_PASSED": AwardDeadlinePassed,
    "BID_WITHDRAWN": BidNotPending,
    "BID_EXPIRED": BidAlreadyExpired,
    "BID_NOT_PENDING": BidNotPending,
    "AGENCY_SUSPENDED": AgencyNotActive,
    "TRIP_CHANGED": TripChanged,
}
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

    @classmethod
    def of(cls, trip: OfferedTrip, bid: TransportBid) -> Award:
        """Recall an award that waits: bids do not change while their trip is awarded."""
        if trip.award_token is None or trip.confirm_deadline_at is None:
            raise LookupError("no award waits on the trip")
        return cls(
            award_token=trip.award_token,
            bid_id=bid.id,
            agency_id=bid.agency_id,
            confirm_deadline_at=trip.confirm_deadline_at,
            material_version=bid.material_version,
        )


def decline(trip: OfferedTrip, award: Award, reason: str) -> AwardDeclined:
    return AwardDeclined(
        trip.hospital_id, trip.transport_request_id, trip.trip_version, award, reason
    )


def waiting(trip: OfferedTrip | None, bid: TransportBid, award_token: UUID) -> OfferedTrip:
    """Return the trip whose award waits for the bid's agency; raises AwardNotOffered."""
    if trip is None or trip.awarded_bid_id != bid.id or not trip.is_awaiting(award_token):
        raise AwardNotOffered("the award does not wait for an answer", state=bid.status)
    return trip


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
    if agency is None or not agency.is_active:  # before its bids: suspension has rejected them
        return "AGENCY_SUSPENDED"
    if bid is None:
        return "BID_NOT_PENDING"
    if bid.status is not BidStatus.PENDING:
        return CLOSED.get(bid.status, "BID_NOT_PENDING")
    if not award.material_version == bid.material_version == trip.material_version:
        return "TRIP_CHANGED"
    if aboard:
        return "PATIENT_ABOARD"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """New values of everything that one decision changes, and what it announces."""

    events: tuple[Event, ...]
    job: Assignment
    bid: TransportBid
    trip: OfferedTrip | None = None
    unit: Unit | None = None


def confirm(
    trip: OfferedTrip,
    bid: TransportBid,
    *,
    award: Award,
    id: UUID,
    loaded_miles: float | None,
    at: datetime,
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
        loaded_miles=loaded_miles,
        created_at=at,
        updated_at=at,
        row_version=1,
    )
    held = trip.awaiting(award).answered()
    return Outcome(trip=held, job=job, bid=accepted, events=(AwardConfirmed(job, accepted), closed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a job holds, locked: its unit if it has one, its bid, and its trip."""

    job: Assignment
    unit: Unit | None
    bid: TransportBid
    trip: OfferedTrip | None


def end(held: Held, status: JobStatus, reason: str, at: datetime) -> Outcome:
    """End a job before pickup: its unit is free, its bid released. The caller adds its event."""
    job = held.job.end(status, reason, at)
    bid, closed = held.bid.release(at)
    unit, events = held.unit, list[Event]()
    if unit is not None:
        unit, changed = unit.follow(status, at)
        events.append(changed)
    trip = held.trip
    if trip is not None and trip.award_token == job.award_token:
        trip = trip.without_award(OfferState.CLOSED)  # until the hospital offers it again
    return Outcome(trip=trip, job=job, unit=unit, bid=bid, events=(*events, closed))
