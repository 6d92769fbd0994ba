"""Levels of care as ranks: what each vehicle and crew can carry."""

from __future__ import annotations

from chassis.vocabulary import TransportLevel, UnitType

RANKS = {level: rank for rank, level in enumerate(TransportLevel)}  # OTHER < BLS < ALS < CCT
UNIT_LEVELS = {
    UnitType.WHEELCHAIR: TransportLevel.OTHER,
    UnitType.MEDICAL_TAXI: TransportLevel.OTHER,
    UnitType.BLS: TransportLevel.BLS,
    UnitType.ALS: TransportLevel.ALS,
    UnitType.CCT: TransportLevel.CCT,
}


def suffices(offered: TransportLevel, needed: TransportLevel) -> bool:
    return RANKS[offered] >= RANKS[needed]


def effective(vehicle: UnitType, crew: TransportLevel) -> TransportLevel:
    """Return the lower of vehicle and crew: what they can carry together."""
    return min(UNIT_LEVELS[vehicle], crew, key=RANKS.__getitem__)
