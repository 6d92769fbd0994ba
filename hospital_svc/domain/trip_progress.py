"""A trip under way: what the EMS silo says physically happens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.vocabulary import TripStatus
from hospital_svc.domain.awards import Award, AwardState, free
from hospital_svc.domain.events import (
    AwardRevoked,
    ConflictKind,
    Event,
    ReopenReason,
    RevokeReason,
    TransportRequestCompleted,
    TransportRequestProgressed,
    TripConflictDetected,
)
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.transport_requests import (
    ABOARD,
    ENDED,
    FREED,
    SYSTEM,
    WAY,
    Actor,
    Decision,
    Step,
    TransportRequest,
)

# The moment that each status on the way is remembered by.
MOMENTS = {
    TripStatus.ACCEPTED: "accepted_at",
    TripStatus.EN_ROUTE: "en_route_at",
    TripStatus.AT_PICKUP: "arrived_pickup_at",
    TripStatus.IN_TRANSIT: "picked_up_at",
    TripStatus.AT_DESTINATION: "arrived_destination_at",
    TripStatus.COMPLETED: "completed_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What an agency reports: the status reached, when, by which unit; and when we heard it."""

    status: TripStatus
    occurred_at: datetime
    unit_id: UUID
    unit_number: str | None
    material_version: int  # of the needs that the agency knew
    by: Actor
    at: datetime

    def is_overtaken(self, trip: TransportRequest) -> bool:
        """Tell whether it says that the unit arrived where the trip perhaps leads no more."""
        arrived = self.status in {TripStatus.AT_DESTINATION, TripStatus.COMPLETED}
        return arrived and self.material_version < trip.material_version

    @property
    def unit(self) -> dict[str, Any]:
        return {
            "assigned_unit_id": self.unit_id,
            "assigned_unit_number": self.unit_number,
            "assigned_unit_as_of_at": self.at,
        }


def advance(trip: TransportRequest, award: Award, news: News) -> Decision | None:
    """Follow the agency's progress, forward only; None when it says nothing new.

    A jump fills the moments between, and history marks those steps as inferred. News of an award
    that no longer holds count only with the patient aboard: then reality wins.
    """
    if trip.award_id != award.id:
        return _overtaken(trip, award, news)
    if not trip.is_live or _rank(news.status) <= _rank(trip.status):
        return None
    if news.is_overtaken(trip):
        return _under_older_needs(trip, award, news)
    return _forward(trip, award, news, news.unit)


def _under_older_needs(trip: TransportRequest, award: Award, news: News) -> Decision:
    """Believe the agency, and let people look: the patient may be where the trip led before."""
    told = trip.changed(news.at)
    moved = _forward(told, award, news, news.unit)
    return replace(
        moved,
        events=(_conflict(told, award, ConflictKind.OLDER_NEEDS), *moved.events),
        steps=tuple(replace(each, is_conflict=True) for each in moved.steps),
    )


def _rank(status: TripStatus) -> int:
    return WAY.index(status) if status in WAY else -1


def _forward(trip: TransportRequest, award: Award, news: News, columns: dict[str, Any]) -> Decision:
    passed = WAY[_rank(trip.status) + 1 : _rank(news.status) + 1]
    moments = {MOMENTS[each]: _not_before(trip, news.occurred_at) for each in passed}
    moved = trip.changed(news.at, **columns, **moments, status=news.status)
    steps = [
        Step(
            status=each,
            occurred_at=news.occurred_at,
            actor=news.by if each is news.status else SYSTEM,
        )
        for each in passed
    ]
    event: Event = TransportRequestProgressed(trip=moved, occurred_at=news.occurred_at)
    awards: tuple[Award, ...] = ()
    if news.status is TripStatus.COMPLETED:
        moved = replace(moved, eta_pickup_at=None, eta_destination_at=None)
        event = TransportRequestCompleted(trip=moved)
        awards = (award.now(AwardState.FULFILLED, news.at),)
    return Decision(trip=moved, awards=awards, events=(event,), steps=tuple(steps))


def _not_before(trip: TransportRequest, moment: datetime) -> datetime:
    """Keep times from running backwards when a crew reports a moment before the last one."""
    known: list[datetime | None] = [getattr(trip, name) for name in MOMENTS.values()]
    return max([moment, *(each for each in known if each is not None)])


def _overtaken(trip: TransportRequest, award: Award, news: News) -> Decision | None:
    """Judge news of an award that does not hold: the hospital gave the trip away meanwhile."""
    if news.status not in ABOARD and news.status is not TripStatus.COMPLETED:
        return None
    if trip.is_live:
        return _aboard_elsewhere(trip, award, news)
    told = trip.changed(news.at)
    step = Step(status=news.status, occurred_at=news.occurred_at, actor=news.by, is_conflict=True)
    return Decision(
        trip=told, events=(_conflict(told, award, ConflictKind.NEWS_AFTER_END),), steps=(step,)
    )


def _aboard_elsewhere(trip: TransportRequest, award: Award, news: News) -> Decision:
    """Let the award of the agency with the patient aboard hold again."""
    told = trip.changed(news.at, **FREED, status=TripStatus.PENDING)
    held = {
        "award_id": award.id,
        "assigned_agency_id": award.agency_id,
        "awarded_at": award.awarded_at,
    }
    moved = _forward(told, award, news, {**news.unit, **held})
    kind = ConflictKind.STALE_AWARD_ABOARD
    return replace(
        moved,
        awards=moved.awards or (award.now(AwardState.CONFIRMED, news.at),),
        events=(_conflict(told, award, kind), *moved.events),
        steps=tuple(replace(each, is_conflict=True) for each in moved.steps),
    )


def losing(decision: Decision, loser: Award, at: datetime) -> Decision:
    """Add to a decision for the agency with the patient aboard that ``loser`` shall not drive."""
    revoked = loser.now(AwardState.REVOKED, at, RevokeReason.PATIENT_ABOARD_ELSEWHERE)
    trip = decision.trip.changed(at)
    reason = RevokeReason.PATIENT_ABOARD_ELSEWHERE
    event = AwardRevoked(trip=trip, award=revoked, reason=reason)
    return replace(
        decision, trip=trip, awards=(revoked, *decision.awards), events=(*decision.events, event)
    )


def _conflict(trip: TransportRequest, award: Award, kind: ConflictKind) -> TripConflictDetected:
    return TripConflictDetected(
        trip=trip, agency_id=award.agency_id, award_token=award.id, kind=kind
    )


def drop(
    trip: TransportRequest, award: Award, plan: Plan, *, reason: str, by: Actor, at: datetime
) -> Decision | None:
    """Offer again what the agency gave back; None when it no longer had it."""
    if trip.award_id != award.id or trip.status in ABOARD or trip.status in ENDED:
        return None
    dropped = award.now(AwardState.DROPPED, at, reason)
    return free(trip, dropped, plan, ReopenReason.TRIP_DROPPED, by=by, at=at)


def show_unit(
    trip: TransportRequest,
    *,
    award_token: UUID,
    unit_id: UUID | None,
    unit_number: str | None,
    at: datetime,
) -> Decision | None:
    """Show which unit comes, or that none does yet; None for news of another award."""
    if trip.award_id != award_token or not trip.is_live:
        return None
    if unit_id is None and trip.status is not TripStatus.ACCEPTED:
        return None
    shown = trip.changed(
        at, assigned_unit_id=unit_id, assigned_unit_number=unit_number, assigned_unit_as_of_at=at
    )
    return Decision(trip=shown, events=(TransportRequestProgressed(trip=shown, occurred_at=at),))


def expect(
    trip: TransportRequest,
    *,
    award_token: UUID,
    pickup_at: datetime | None,
    destination_at: datetime | None,
    as_of_at: datetime,
    at: datetime,
) -> Decision | None:
    """Show when the unit is expected; None for news that are older than what is shown."""
    if trip.award_id != award_token or not trip.is_live:
        return None
    if trip.eta_as_of_at is not None and as_of_at <= trip.eta_as_of_at:
        return None
    shown = trip.changed(
        at, eta_pickup_at=pickup_at, eta_destination_at=destination_at, eta_as_of_at=as_of_at
    )
    return Decision(trip=shown, events=(TransportRequestProgressed(trip=shown, occurred_at=at),))
