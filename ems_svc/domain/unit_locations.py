"""Where a unit is, and when others have to hear of it again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ems_svc.domain.distances import Place

QUIET = timedelta(seconds=30)  # between two announcements of one unit's place
STALE = timedelta(minutes=10)
FUTURE = timedelta(seconds=60)  # a device's clock may be this much ahead


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

    def is_stale(self, at: datetime) -> bool:
        return at - self.fix_at > STALE

    def is_from_the_future(self, at: datetime) -> bool:
        """Tell whether the device's clock is wrong: such a fix would hide all that follow."""
        return self.fix_at - at > FUTURE

    def is_due(self, at: datetime) -> bool:
        """Tell whether hospitals may hear of this fix: at most one per unit in 30 s."""
        return self.announced_at is None or at - self.announced_at >= QUIET

    def announced(self, at: datetime) -> UnitLocation:
        return replace(self, announced_at=at, announced_version=self.announced_version + 1)
