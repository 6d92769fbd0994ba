"""What an agency charges for a trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from chassis.vocabulary import Priority, TransportLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRate:
    """What is charged for one level; the version of a default, which nobody has set, is 0."""

    agency_id: UUID
    transport_level: TransportLevel
    base_amount: Decimal
    per_mile_amount: Decimal
    currency_code: str
    created_at: datetime
    updated_at: datetime
    row_version: int

    @property
    def is_default(self) -> bool:
        return self.row_version == 0

    def set(self, base_amount: Decimal, per_mile_amount: Decimal, at: datetime) -> AgencyRate:
        return replace(
            self,
            base_amount=base_amount,
            per_mile_amount=per_mile_amount,
            updated_at=at,
            row_version=self.row_version + 1,
        )


DEFAULTS = {
    TransportLevel.OTHER: (Decimal("50.00"), Decimal("2.00")),
    TransportLevel.BLS: (Decimal("75.00"), Decimal("2.50")),
    TransportLevel.ALS: (Decimal("125.00"), Decimal("3.75")),
    TransportLevel.CCT: (Decimal("200.00"), Decimal("5.00")),
}
FACTORS = {
    Priority.URGENT: Decimal("1.5"),
    Priority.HIGH: Decimal("1.25"),
    Priority.MEDIUM: Decimal("1.0"),
    Priority.LOW: Decimal("0.9"),
}


def default(agency_id: UUID, level: TransportLevel, at: datetime) -> AgencyRate:
    """Return what an agency charges for ``level`` until it sets a rate of its own."""
    base, per_mile = DEFAULTS[level]
    return AgencyRate(
        agency_id=agency_id,
        transport_level=level,
        base_amount=base,
        per_mile_amount=per_mile,
        currency_code="USD",
        created_at=at,
        updated_at=at,
        row_version=0,
    )


def revenue_amount(
    level: TransportLevel,
    priority: Priority,
    loaded_miles: float,
    rates: Mapping[TransportLevel, AgencyRate],
) -> Decimal:
    """Return whole cents, half up: (base + per mile x loaded miles) x priority factor."""
    base, per_mile = DEFAULTS[level]
    if rate := rates.get(level):
        base, per_mile = rate.base_amount, rate.per_mile_amount
    amount = (base + per_mile * Decimal(str(loaded_miles))) * FACTORS[priority]
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
