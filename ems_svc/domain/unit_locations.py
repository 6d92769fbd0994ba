"""Where a unit is, when others have to hear of it again, and what is kept of where it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from ems_svc.domain.distances import Place, haversine_miles

QUIET = timedelta(seconds=30)  # between two announcements of one unit's place
STALE = timedelta(minutes=10)
FUTURE = timedelta(seconds=60)  # a device's clock may be this much ahead

# One position of a unit is kept in this time, and each that is so far from the one kept before.
KEPT_EVERY = timedelta(seconds=30)
KEPT_MILES = 0.25
LOCATION_RETENTION = timedelta(days=30)  # unless Center configures location.retention_days


class Taken(Enum):
    """What became of a position that a unit reported."""

    FUTURE = auto()
    OUTDATED = auto()
    ACCEPTED = auto()
    KEPT = auto()  # accepted, and in the history


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLocation:
    """Where a unit was."""

    agency_id: UUID
    unit_id: UUID
    fix_at: datetime
    latitude: float
    longitude: float
    received_at: datetime

    @property
    def place(self) -> Place:
        return Place(self.latitude, self.longitude)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLocation:
    agency_id: UUID
    unit_id: UUID
    latitude: float
    longitude: float
    fix_at: datetime
    received_at: datetime
    announced_at: datetime | None
    announced_version: int

    @property
    def place(self) -> Place:
        return Place(self.latitude, self.longitude)

    @property
    def past(self) -> PastLocation:
        return PastLocation(
            agency_id=self.agency_id,
            unit_id=self.unit_id,
            fix_at=self.fix_at,
            latitude=self.latitude,
            longitude=self.longitude,
            received_at=self.received_at,
        )

    def is_news_after(self, kept: PastLocation | None) -> bool:
        """Tell whether it is worth a row of its own, ``kept`` being the last that got one."""
        return (
            kept is None
            or self.fix_at - kept.fix_at >= KEPT_EVERY
            or haversine_miles(self.place, kept.place) >= KEPT_MILES
        )

    def is_stale(self, at: datetime) -> bool:
        return is_stale(self.fix_at, at)

    def is_from_the_future(self, at: datetime) -> bool:
        """Tell whether the device's clock is wrong: such a fix would hide all that follow."""
        return self.fix_at - at > FUTURE

    def is_due(self, at: datetime) -> bool:
        """Tell whether hospitals may hear of this fix: at most one per unit in 30 s."""
        return self.announced_at is None or at - self.announced_at >= QUIET

    def announced(self, at: datetime) -> UnitLocation:
        return replace(self, announced_at=at, announced_version=self.announced_version + 1)


def is_stale(fix_at: datetime, at: datetime) -> bool:
    return at - fix_at > STALE
