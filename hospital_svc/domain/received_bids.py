"""A bid as the hospital received it: a copy of what the EMS silo announced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from chassis.vocabulary import BidStatus, TransportLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedBid:
    hospital_id: UUID
    id: UUID
    transport_request_id: UUID
    agency_id: UUID
    bid_amount: Decimal | None
    currency_code: str
    estimated_arrival_at: datetime | None
    estimated_pickup_at: datetime | None
    special_notes: str | None
    unit_level: TransportLevel
    status: BidStatus
    expires_at: datetime
    material_version: int
    submitted_at: datetime
    bid_version: int

    def is_live(self, at: datetime, material_version: int) -> bool:
        """Tell whether an award could name it: standing, in time, for the trip as it now is."""
        return (
            self.status is BidStatus.PENDING
            and at < self.expires_at
            and self.material_version == material_version
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """A bid, the name of its agency, and its place in the order of preference."""

    bid: ReceivedBid
    agency_name: str | None
    sort_key: tuple[str, ...]
