"""The decision a trip exists for: who carries the patient. The first award wins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from chassis.vocabulary import RegistryStatus, TripStatus
from hospital_svc.domain.events import (
    AwardRevoked,
    Event,
    ReopenReason,
    RevokeReason,
    TransportRequestAwarded,
    TransportRequestCancelled,
    TransportRequestProgressed,
    TransportRequestReopened,
)
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.received_bids import ReceivedBid
from hospital_svc.domain.refusals import AgencyNotActive, BidNotLive, NotPending
from hospital_svc.domain.transport_requests import (
    FREED,
    UNASKED,
    Actor,
    Decision,
    Step,
    TransportRequest,
)

ANSWER_WITHIN = timedelta(seconds=120)
# EMS never confirms after the deadline; its statements end well within this, so that its answer
# and the hospital's time-out cannot cross.
ANSWER_GRACE = timedelta(seconds=30)


class AwardState(StrEnum):
    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    REVOKED = "REVOKED"
    DROPPED = "DROPPED"
    CANCELLED = "CANCELLED"
    FULFILLED = "FULFILLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """A row of ``award``; its id is the token that EMS's answers carry."""

    hospital_id: UUID
    id: UUID
    transport_request_id: UUID
    bid_id: UUID
    agency_id: UUID
    bid_amount: Decimal | None
    currency_code: str
    state: AwardState = AwardState.TENTATIVE
    material_version: int
    awarded_by_id: UUID | None
    awarded_at: datetime
    confirm_deadline_at: datetime
    decided_at: datetime | None = None
    reason: str | None = None
    created_at: datetime
    updated_at: datetime
    row_version: int = 1

    def now(self, state: AwardState, at: datetime, reason: str | None = None) -> Award:
        return replace(
            self,
            state=state,
            decided_at=at,
            reason=reason,
            updated_at=at,
            row_version=self.row_version + 1,
        )


def give(
    trip: TransportRequest,
    bid: ReceivedBid,
    agency: RegistryStatus | None,
    *,
    award_id: UUID,
    by: Actor,
    at: datetime,
) -> Decision:
    """Award ``trip`` to the agency behind ``bid``; ``agency`` is its standing, None if unknown."""
    if trip.status is not TripStatus.PENDING:
        raise NotPending(f"the trip is {trip.status}", state=trip.status, id=str(trip.id))
    if bid.transport_request_id != trip.id or not bid.is_live(at, trip.material_version):
        raise BidNotLive("the bid cannot win any more", state=_why(trip, bid, at), id=str(bid.id))
    if agency is not RegistryStatus.ACTIVE:
        raise AgencyNotActive("the agency does not take part", state=agency or "UNKNOWN")
    award = _award(trip, bid, award_id, by, at)
    awarded = trip.changed(
        at,
        status=TripStatus.AWARDED,
        awarded_at=at,
        award_id=award_id,
        assigned_agency_id=bid.agency_id,
    )
    return Decision(
        trip=awarded,
        awards=(award,),
        events=(TransportRequestAwarded(trip=awarded, award=award),),
        steps=(Step(status=TripStatus.AWARDED, occurred_at=at, actor=by),),
    )


def _why(trip: TransportRequest, bid: ReceivedBid, at: datetime) -> str:
    """Say in one word why the bid cannot win; a bid on another trip is no bid here."""
    if bid.transport_request_id != trip.id:
        return "OTHER_TRIP"
    if bid.material_version != trip.material_version:
        return "OUTDATED"
    return "EXPIRED" if at >= bid.expires_at else bid.status


def _award(
    trip: TransportRequest, bid: ReceivedBid, award_id: UUID, by: Actor, at: datetime
) -> Award:
    return Award(
        hospital_id=trip.hospital_id,
        id=award_id,
        transport_request_id=trip.id,
        bid_id=bid.id,
        agency_id=bid.agency_id,
        bid_amount=bid.bid_amount,
        currency_code=bid.currency_code,
        material_version=bid.material_version,
        awarded_by_id=by.user_id,
        awarded_at=at,
        confirm_deadline_at=at + ANSWER_WITHIN,
        created_at=at,
        updated_at=at,
    )


def confirm(
    trip: TransportRequest, award: Award, *, accepted_at: datetime, by: Actor, at: datetime
) -> Decision | None:
    """Take EMS's yes; None when the award it answers no longer waits for one."""
    if trip.award_id != award.id or trip.status is not TripStatus.AWARDED:
        return None
    accepted = trip.changed(at, status=TripStatus.ACCEPTED, accepted_at=accepted_at)
    return Decision(
        trip=accepted,
        awards=(award.now(AwardState.CONFIRMED, at),),
        events=(TransportRequestProgressed(trip=accepted, occurred_at=accepted_at),),
        steps=(Step(status=TripStatus.ACCEPTED, occurred_at=accepted_at, actor=by),),
    )


def decline(
    trip: TransportRequest, award: Award, plan: Plan, *, reason: str, by: Actor, at: datetime
) -> Decision | None:
    """Take EMS's no; None when the award it answers no longer waits for one."""
    if trip.award_id != award.id or trip.status is not TripStatus.AWARDED:
        return None
    declined = award.now(AwardState.DECLINED, at, reason)
    return free(trip, declined, plan, ReopenReason.AWARD_DECLINED, by=by, at=at)


def revoke(
    trip: TransportRequest,
    award: Award,
    plan: Plan,
    reason: RevokeReason,
    *,
    by: Actor,
    at: datetime,
) -> Decision:
    """Take back an unanswered award; the caller has seen that its deadline has passed."""
    timed_out = reason is RevokeReason.TIMED_OUT
    why = ReopenReason.AWARD_TIMED_OUT if timed_out else ReopenReason.AWARD_REVOKED
    revoked = award.now(AwardState.REVOKED, at, reason)
    told = trip.changed(at)
    freed = free(told, revoked, plan, why, by=by, at=at)
    announced = AwardRevoked(trip=told, award=revoked, reason=reason)
    return replace(freed, events=(announced, *freed.events))


def free(
    trip: TransportRequest, ended: Award, plan: Plan, why: ReopenReason, *, by: Actor, at: datetime
) -> Decision:
    """Offer the trip again; or end it, if its hospital has asked for that meanwhile."""
    event: Event
    if trip.is_end_asked:
        trip = trip.changed(at, **FREED, status=TripStatus.CANCELLED, cancelled_at=at)
        event = TransportRequestCancelled(trip=trip)
    else:
        expires_at = plan.offer_expires_at
        columns = {**FREED, **UNASKED, "offer_expires_at": expires_at}
        trip = trip.changed(at, **columns, status=TripStatus.PENDING)
        event = TransportRequestReopened(trip=trip, plan=plan, reason=why)
    step = Step(status=trip.status, occurred_at=at, actor=by)
    return Decision(trip=trip, awards=(ended,), events=(event,), steps=(step,))
