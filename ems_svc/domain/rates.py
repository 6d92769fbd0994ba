"""What an agency charges for a trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from chassis.vocabulary import Priority, TransportLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRate:
    agency_id: UUID
    transport_level: TransportLevel
    base_amount: Decimal
    per_mile_amount: Decimal
    currency_code: str


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
