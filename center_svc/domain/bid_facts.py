"""What an agency offered for a trip, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from chassis.vocabulary import BidStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class BidFact:
    agency_id: UUID
    bid_id: UUID
    hospital_id: UUID
    transport_request_id: UUID
    bid_amount: Decimal | None
    status: BidStatus
    submitted_at: datetime
    bid_version: int
