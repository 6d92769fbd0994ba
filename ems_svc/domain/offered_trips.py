"""A trip as the hospital offers it: the row that everybody who decides about it locks first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chassis.errors import FailedPrecondition
from chassis.vocabulary import AgeBand, Priority, TransportLevel, WeightBand
from ems_svc.domain.levels import suffices
from ems_svc.domain.transport_bids import Terms

if TYPE_CHECKING:
    from ems_svc.domain.awards import Award


class OfferState(StrEnum):
    OPEN = "OPEN"
    AWARDED = "AWARDED"
    CLOSED = "CLOSED"


class TripNotOpen(FailedPrecondition):
    reason = "TRIP_NOT_OPEN"


class BidDeadlinePassed(FailedPrecondition):
    reason = "BID_DEADLINE_PASSED"


class TripChanged(FailedPrecondition):
    reason = "TRIP_CHANGED"


class LevelTooLow(FailedPrecondition):
    reason = "LEVEL_TOO_LOW"


@dataclass(frozen=True, slots=True)
class Offer:
    """When one agency sees a trip: because a hospital named it, or because all do."""

    wave: int
    visible_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a trip asks of whoever carries it."""

    transport_level: TransportLevel
    priority: Priority
    required_capabilities: list[str]
    age_band: AgeBand
    weight_band: WeightBand
    origin_facility_id: UUID
    destination_facility_id: UUID
    ready_at: datetime
    latest_pickup_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTrip:
    hospital_id: UUID
    transport_request_id: UUID
    trip_number: str
    transport_level: TransportLevel
    priority: Priority
    required_capabilities: list[str]
    age_band: AgeBand
    weight_band: WeightBand
    origin_facility_id: UUID
    destination_facility_id: UUID
    ready_at: datetime
    latest_pickup_at: datetime
    offers: dict[str, Any]
    broadcast_at: datetime | None
    offer_expires_at: datetime
    state: OfferState
    award_token: UUID | None
    awarded_agency_id: UUID | None
    awarded_bid_id: UUID | None
    confirm_deadline_at: datetime | None
    material_version: int
    trip_version: int

    @property
    def named(self) -> dict[UUID, Offer]:
        """Return whom the hospital named, and from when each of them sees the trip."""
        return {
            UUID(agency_id): Offer(wave, datetime.fromisoformat(visible_at))
            for agency_id, (wave, visible_at) in self.offers.items()
        }

    def must_take(self, terms: Terms, at: datetime) -> None:
        """Refuse a bid that the trip cannot take."""
        if self.state is not OfferState.OPEN:
            raise TripNotOpen("the trip takes no bids", state=self.state)
        if at >= self.offer_expires_at:
            raise BidDeadlinePassed("the time for bids on the trip is over", state=self.state)
        if terms.material_version != self.material_version:
            raise TripChanged(
                "the trip's needs changed: look at it again",
                material_version=str(self.material_version),
            )
        if not suffices(terms.unit_level, self.transport_level):
            raise LevelTooLow(
                "the level offered is lower than the trip needs", needed=self.transport_level
            )

    def awaiting(self, award: Award) -> OfferedTrip:
        """Hold the trip for one agency: while it answers, or because it has confirmed."""
        return replace(
            self,
            state=OfferState.AWARDED,
            award_token=award.award_token,
            awarded_agency_id=award.agency_id,
            awarded_bid_id=award.bid_id,
            confirm_deadline_at=award.confirm_deadline_at,
        )

    def answered(self) -> OfferedTrip:
        """Note that the award no longer waits for its agency."""
        return replace(self, confirm_deadline_at=None)

    def without_award(self, state: OfferState) -> OfferedTrip:
        return replace(
            self,
            state=state,
            award_token=None,
            awarded_agency_id=None,
            awarded_bid_id=None,
            confirm_deadline_at=None,
        )

    def is_awaiting(self, award_token: UUID) -> bool:
        return self.award_token == award_token and self.confirm_deadline_at is not None

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether the agency's time to answer is over; it may answer at its very end."""
        return self.confirm_deadline_at is not None and self.confirm_deadline_at < at
