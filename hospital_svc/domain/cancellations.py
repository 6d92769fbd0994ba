"""Letting a trip go: at once while it is open, by asking EMS once an agency has it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.vocabulary import CancellationIntent, CancellationReason, TripStatus
from hospital_svc.domain.awards import ANSWER_GRACE, Award, AwardState, free, revoke
from hospital_svc.domain.events import (
    CancellationRequested,
    ReopenReason,
    RevokeReason,
    TransportRequestCancelled,
    TransportRequestExpired,
    TransportRequestProgressed,
)
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.refusals import (
    CancellationOutstanding,
    ConfirmationOutstanding,
    NotAwarded,
    PatientAboard,
    TripEnded,
)
from hospital_svc.domain.transport_requests import (
    ABOARD,
    SYSTEM,
    Actor,
    Decision,
    Step,
    TransportRequest,
)


def refuse_unless_movable(trip: TransportRequest) -> None:
    """Refuse for a trip that has ended, or whose patient is aboard."""
    if not trip.is_live:
        raise TripEnded(f"the trip is {trip.status}", state=trip.status, id=str(trip.id))
    if trip.status in ABOARD:
        raise PatientAboard("the patient is aboard", state=trip.status, id=str(trip.id))


def _refuse_unless_askable(trip: TransportRequest) -> None:
    refuse_unless_movable(trip)
    if trip.is_release_asked:
        raise CancellationOutstanding("EMS has yet to answer", state=trip.status, id=str(trip.id))


def cancel(
    trip: TransportRequest,
    *,
    reason: CancellationReason,
    note: str | None,
    token: UUID,
    by: Actor,
    at: datetime,
) -> Decision:
    """End an open trip; for an awarded one, ask EMS, which alone knows whether it is too late."""
    _refuse_unless_askable(trip)
    why = {"cancellation_reason": reason, "cancellation_note": note}
    if trip.status is not TripStatus.PENDING:
        return _ask(trip, CancellationIntent.CANCEL, token, by, at, **why)
    cancelled = trip.changed(at, **why, status=TripStatus.CANCELLED, cancelled_at=at)
    return Decision(
        trip=cancelled,
        events=(TransportRequestCancelled(trip=cancelled),),
        steps=(Step(status=TripStatus.CANCELLED, occurred_at=at, actor=by),),
    )


def take_back(
    trip: TransportRequest, award: Award | None, plan: Plan, *, token: UUID, by: Actor, at: datetime
) -> Decision:
    """Take an award back: by asking EMS once it has confirmed; by decree once it is overdue."""
    _refuse_unless_askable(trip)
    if award is None or trip.status is TripStatus.PENDING:
        raise NotAwarded(f"the trip is {trip.status}", state=trip.status, id=str(trip.id))
    if trip.status is not TripStatus.AWARDED:
        return _ask(trip, CancellationIntent.REOPEN, token, by, at)
    free_from = award.confirm_deadline_at + ANSWER_GRACE
    if at < free_from:
        until = free_from.isoformat(timespec="seconds")
        raise ConfirmationOutstanding(
            "EMS may still confirm", state=trip.status, id=str(trip.id), until=until
        )
    return revoke(trip, award, plan, RevokeReason.BY_HOSPITAL, by=by, at=at)


def _ask(
    trip: TransportRequest,
    intent: CancellationIntent,
    token: UUID,
    by: Actor,
    at: datetime,
    **why: object,
) -> Decision:
    asked = trip.changed(
        at,
        **why,
        cancel_requested_at=at,
        cancel_requested_by=by.user_id,
        cancel_token=token,
        cancel_intent=intent,
        cancel_refused_at=None,
    )
    return Decision(trip=asked, events=(CancellationRequested(trip=asked),))


def released(
    trip: TransportRequest, award: Award, plan: Plan, *, cancel_token: UUID, by: Actor, at: datetime
) -> Decision | None:
    """Take EMS's yes; None when it answers no question that is still open."""
    if trip.award_id != award.id or trip.cancel_token != cancel_token or not trip.is_live:
        return None
    state = AwardState.CANCELLED if trip.is_end_asked else AwardState.REVOKED
    return free(trip, award.now(state, at), plan, ReopenReason.AWARD_REVOKED, by=by, at=at)


def refused(trip: TransportRequest, *, cancel_token: UUID, at: datetime) -> Decision | None:
    """Take EMS's no: the patient is aboard, and the trip goes on."""
    if trip.cancel_token != cancel_token or trip.cancel_refused_at is not None:
        return None
    going_on = trip.changed(at, cancel_refused_at=at)
    return Decision(
        trip=going_on, events=(TransportRequestProgressed(trip=going_on, occurred_at=at),)
    )


def expire(trip: TransportRequest, *, has_live_bid: bool, at: datetime) -> Decision | None:
    """Give up a trip that nobody was awarded in time; None while somebody still could be.

    Bids reach this silo a little late: within the grace, one may be on its way.
    """
    if trip.status is not TripStatus.PENDING or has_live_bid:
        return None
    if at < trip.offer_expires_at + ANSWER_GRACE:
        return None
    expired = trip.changed(at, status=TripStatus.EXPIRED, expired_at=at)
    return Decision(
        trip=expired,
        events=(TransportRequestExpired(trip=expired),),
        steps=(Step(status=TripStatus.EXPIRED, occurred_at=at, actor=SYSTEM),),
    )
