"""Who is offered a trip, and from when: preferred agencies in waves, then perhaps everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from chassis.vocabulary import OfferMode, Priority

# How long agencies may bid, and how far apart waves open (domain.md, section 7).
WINDOWS = {
    Priority.URGENT: timedelta(minutes=15),
    Priority.HIGH: timedelta(minutes=30),
    Priority.MEDIUM: timedelta(minutes=60),
    Priority.LOW: timedelta(minutes=120),
}
WAVES = {Priority.URGENT: timedelta(seconds=60), Priority.HIGH: timedelta(seconds=120)}
USUAL_WAVE = timedelta(seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """An active preference: what planning has to know of it, and of its agency."""

    preference_order: int
    agency_id: UUID
    can_bid: bool  # as far as the directory knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    agency_id: UUID
    wave: int
    visible_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The offers of a trip; ``broadcast_at`` None means that only preferred agencies see it."""

    offers: tuple[Offer, ...]
    broadcast_at: datetime | None
    offer_expires_at: datetime


def plan(
    mode: OfferMode,
    priority: Priority,
    preferences: Sequence[Preference],
    *,
    latest_pickup_at: datetime,
    at: datetime,
) -> Plan:
    """Plan offers from ``at`` on: all waves open in the first half of the response window.

    Nobody may bid after ``latest_pickup_at``; if that has passed, the offer ends as it begins.
    """
    expires_at = max(min(at + WINDOWS[priority], latest_pickup_at), at)
    if mode is OfferMode.BROADCAST:
        return Plan(offers=(), broadcast_at=at, offer_expires_at=expires_at)
    waves = _waves(preferences)
    bidding = {each.agency_id for each in preferences if each.can_bid}
    waited_for = sum(not bidding.isdisjoint(wave) for wave in waves)
    openings = waited_for if mode is OfferMode.CASCADE else max(len(waves) - 1, 0)
    step = _step(priority, openings, expires_at - at)
    offers = tuple(
        Offer(agency_id=agency_id, wave=wave, visible_at=at + wave * step)
        for wave, agencies in enumerate(waves)
        for agency_id in agencies
    )
    broadcast_at = at + openings * step if mode is OfferMode.CASCADE else None
    return Plan(offers=offers, broadcast_at=broadcast_at, offer_expires_at=expires_at)


def _waves(preferences: Sequence[Preference]) -> list[list[UUID]]:
    """Group agencies of equal order; who comes first within a wave matters to nobody.

    Whom nobody has to wait for, a suspended agency or an unknown one, has a place all the same: a
    wave without anybody who can bid opens with the next one.
    """
    ordered = sorted(preferences, key=lambda each: (each.preference_order, each.agency_id))
    waves: list[list[UUID]] = []
    is_full = True
    for _, group in groupby(ordered, key=lambda each: each.preference_order):
        wave = list(group)
        if is_full:
            waves.append([])
        waves[-1] += [each.agency_id for each in wave]
        is_full = any(each.can_bid for each in wave)
    return waves


def _step(priority: Priority, openings: int, window: timedelta) -> timedelta:
    usual = WAVES.get(priority, USUAL_WAVE)
    return min(usual, window / 2 / openings) if openings else usual
