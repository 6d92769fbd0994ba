"""A bid: an agency's offer to carry one trip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from chassis.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from chassis.vocabulary import BidStatus, TransportLevel
from ems_svc.domain.events import BidClosed, BidRevised, BidSubmitted

VALID = timedelta(minutes=60)  # a bid that names no end lapses after this
GRACE = timedelta(seconds=60)  # a hospital's clock may lag: its award of a lapsed bid comes first


class BidNotPending(FailedPrecondition):
    reason = "BID_NOT_PENDING"


class BidAlreadyExpired(FailedPrecondition):
    reason = "BID_ALREADY_EXPIRED"


class BidExists(AlreadyExists):
    reason = "BID_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a dispatcher offers."""

    bid_amount: Decimal | None
    estimated_arrival_at: datetime | None
    estimated_pickup_at: datetime | None
    special_notes: str | None
    unit_level: TransportLevel
    expires_at: datetime | None
    material_version: int

    def expiry(self, at: datetime) -> datetime:
        if self.expires_at is None:
            return at + VALID
        if self.expires_at <= at:
            raise InvalidArgument(
                "the bid would have lapsed already",
                violations={"bid.expire_time": "must be in the future"},
            )
        return self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportBid:
    agency_id: UUID
    id: UUID
    hospital_id: UUID
    transport_request_id: UUID
    bid_amount: Decimal | None
    currency_code: str
    estimated_arrival_at: datetime | None
    estimated_pickup_at: datetime | None
    special_notes: str | None
    unit_level: TransportLevel
    status: BidStatus
    expires_at: datetime
    material_version: int
    submitted_by_id: UUID
    submitted_at: datetime
    decided_at: datetime | None
    created_at: datetime
    updated_at: datetime
    row_version: int

    def must_be_pending(self) -> None:
        if self.status is not BidStatus.PENDING:
            raise BidNotPending(f"the bid is {self.status}", state=self.status)

    def revise(self, terms: Terms, at: datetime) -> tuple[TransportBid, BidRevised]:
        """Offer other terms; a lapsed offer stays lapsed."""
        self.must_be_pending()
        if self.expires_at <= at:
            raise BidAlreadyExpired("the bid's time ran out", state=self.status)
        bid = replace(
            self,
            bid_amount=terms.bid_amount,
            estimated_arrival_at=terms.estimated_arrival_at,
            estimated_pickup_at=terms.estimated_pickup_at,
            special_notes=terms.special_notes,
            unit_level=terms.unit_level,
            expires_at=terms.expiry(at),
            material_version=terms.material_version,
            updated_at=at,
            row_version=self.row_version + 1,
        )
        return bid, BidRevised(bid)

    def close(self, status: BidStatus, at: datetime) -> tuple[TransportBid, BidClosed]:
        """Decide an undecided bid."""
        self.must_be_pending()
        return self._decided(status, at)

    def release(self, at: datetime) -> tuple[TransportBid, BidClosed]:
        """Let go of a bid that had won: its job ended before the patient was aboard."""
        return self._decided(BidStatus.RELEASED, at)

    def _decided(self, status: BidStatus, at: datetime) -> tuple[TransportBid, BidClosed]:
        bid = replace(
            self, status=status, decided_at=at, updated_at=at, row_version=self.row_version + 1
        )
        return bid, BidClosed(bid)


def submit(
    *,
    agency_id: UUID,
    id: UUID,
    hospital_id: UUID,
    transport_request_id: UUID,
    terms: Terms,
    by: UUID,
    at: datetime,
) -> tuple[TransportBid, BidSubmitted]:
    """Make an offer; whether the trip takes offers is the trip's to say."""
    bid = TransportBid(
        agency_id=agency_id,
        id=id,
        hospital_id=hospital_id,
        transport_request_id=transport_request_id,
        bid_amount=terms.bid_amount,
        currency_code="USD",
        estimated_arrival_at=terms.estimated_arrival_at,
        estimated_pickup_at=terms.estimated_pickup_at,
        special_notes=terms.special_notes,
        unit_level=terms.unit_level,
        status=BidStatus.PENDING,
        expires_at=terms.expiry(at),
        material_version=terms.material_version,
        submitted_by_id=by,
        submitted_at=at,
        decided_at=None,
        created_at=at,
        updated_at=at,
        row_version=1,
    )
    return bid, BidSubmitted(bid)
