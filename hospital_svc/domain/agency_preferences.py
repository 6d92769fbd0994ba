"""Which agency a hospital asks first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis.errors import InvalidArgument
from hospital_svc.domain.refusals import PreferencesChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyPreference:
    hospital_id: UUID
    id: UUID
    agency_id: UUID
    is_active: bool
    preference_order: int
    notes: str | None
    created_at: datetime
    updated_at: datetime
    row_version: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A preference, and the name of its agency if the directory knows it."""

    preference: AgencyPreference
    agency_name: str | None


def order_etag(known: Iterable[AgencyPreference]) -> str:
    """Return the version of an order, given all of its preferences: who is asked, and when."""
    places = sorted((each.id.hex, each.preference_order) for each in known)
    return hashlib.sha256(repr(places).encode()).hexdigest()[:32]


def reordered(
    known: Sequence[AgencyPreference], waves: Sequence[Sequence[UUID]], at: datetime
) -> list[AgencyPreference]:
    """Return the preferences whose place changes when ``waves`` are asked one after another.

    All that the hospital has must be named, each once: one that is left out would keep a place
    that nobody gave it.
    """
    orders = {id: order for order, wave in enumerate(waves) for id in wave}
    if len(orders) != sum(map(len, waves)):
        raise InvalidArgument("a preference stands twice", violations={"waves": "name each once"})
    if left_out := {each.id for each in known} - orders.keys():
        raise PreferencesChanged("a preference is left out", id=str(min(left_out)))
    return [
        replace(
            each,
            preference_order=orders[each.id],
            updated_at=at,
            row_version=each.row_version + 1,
        )
        for each in known
        if each.preference_order != orders[each.id]
    ]
