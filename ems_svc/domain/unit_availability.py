"""When a unit may work, interval by interval: what was is kept, what will be is planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import FailedPrecondition
from chassis.vocabulary import UnitStatus


class UnitAvailabilityOverlaps(FailedPrecondition):
    reason = "UNIT_AVAILABILITY_OVERLAPS"


class UnitAvailabilityBegun(FailedPrecondition):
    reason = "UNIT_AVAILABILITY_BEGUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAvailability:
    """One interval; without an end it lasts until the unit's next one begins."""

    agency_id: UUID
    id: UUID
    unit_id: UUID
    status: UnitStatus
    start_at: datetime
    end_at: datetime | None
    notes: str | None
    created_at: datetime
    updated_at: datetime
    row_version: int

    def lets_work(self, at: datetime) -> bool:
        """Tell whether this, the unit's last interval that has begun ``at`` then, is a shift."""
        return self.status is UnitStatus.AVAILABLE and not self._is_over(at)

    def changed(self, at: datetime, **values: object) -> UnitAvailability:
        """Take new ``values``; what has begun keeps its beginning, what is over its end too."""
        changes: dict[str, Any] = dict(values)
        new = replace(self, **changes, updated_at=at, row_version=self.row_version + 1)
        if self._is_over(at) and _what(self) != _what(new):
            raise UnitAvailabilityBegun("the interval is over: only its notes change", state="OVER")
        if self.start_at <= at and _what(self)[:2] != _what(new)[:2]:
            raise UnitAvailabilityBegun(
                "the interval has begun: only its end and its notes change", state="BEGUN"
            )
        return new

    def must_lie_ahead(self, at: datetime) -> None:
        """Refuse to forget what a unit did, or does."""
        if self.start_at <= at:
            state = "OVER" if self._is_over(at) else "BEGUN"
            raise UnitAvailabilityBegun("the interval has begun: it is kept", state=state)

    def _is_over(self, at: datetime) -> bool:
        return self.end_at is not None and self.end_at <= at


def create(agency_id: UUID, id: UUID, at: datetime, **values: object) -> UnitAvailability:
    """Plan an interval, or note one that was not planned."""
    given: dict[str, Any] = dict(values)
    return UnitAvailability(
        agency_id=agency_id, id=id, created_at=at, updated_at=at, row_version=1, **given
    )


def _what(interval: UnitAvailability) -> tuple[UnitStatus, datetime, datetime | None]:
    return interval.status, interval.start_at, interval.end_at
