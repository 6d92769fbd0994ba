"""A unit: a vehicle with its crew, and what it may do next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import AlreadyExists, FailedPrecondition
from chassis.vocabulary import JobStatus, TransportLevel, UnitStatus, UnitType
from ems_svc.domain.distances import Place
from ems_svc.domain.events import UnitStatusChanged, UnitUpdated
from ems_svc.domain.levels import effective, suffices
from ems_svc.domain.unit_availability import UnitAvailability

# What a dispatcher may set, and what a unit is while it has no job.
IDLE = (
    UnitStatus.AVAILABLE,
    UnitStatus.ON_BREAK,
    UnitStatus.OFF_DUTY,
    UnitStatus.OUT_OF_SERVICE,
    UnitStatus.MAINTENANCE,
)
FOLLOWS = {
    JobStatus.ACCEPTED: UnitStatus.RESERVED,
    JobStatus.EN_ROUTE: UnitStatus.EN_ROUTE,
    JobStatus.AT_PICKUP: UnitStatus.AT_PICKUP,
    JobStatus.IN_TRANSIT: UnitStatus.TRANSPORTING,
    JobStatus.AT_DESTINATION: UnitStatus.AT_DESTINATION,
}


class UnitNotAvailable(FailedPrecondition):
    reason = "UNIT_NOT_AVAILABLE"


class UnitUnsuitable(FailedPrecondition):
    reason = "UNIT_UNSUITABLE"


class UnitOffShift(FailedPrecondition):
    reason = "UNIT_OFF_SHIFT"


class UnitOnJob(FailedPrecondition):
    reason = "UNIT_ON_JOB"


class UnitRetired(FailedPrecondition):
    reason = "UNIT_RETIRED"


class UnitNumberTaken(AlreadyExists):
    reason = "UNIT_NUMBER_TAKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    agency_id: UUID
    id: UUID
    unit_number: str
    type: UnitType
    crew_level: TransportLevel
    capabilities: list[str]
    current_status: UnitStatus
    current_assignment_id: UUID | None
    shift_start_at: datetime | None
    shift_end_at: datetime | None
    is_active: bool
    created_at: datetime
    updated_at: datetime
    row_version: int

    @property
    def effective_level(self) -> TransportLevel:
        return effective(self.type, self.crew_level)

    def qualifies(self, level: TransportLevel, required: Sequence[str]) -> bool:
        return suffices(self.effective_level, level) and set(required) <= set(self.capabilities)

    def is_on_shift(self, begun: UnitAvailability | None, at: datetime) -> bool:
        """Tell whether shift and availability both let it take a job.

        ``begun`` is its last interval that has begun by ``at``; None when none has.
        """
        if self.shift_start_at is not None and at < self.shift_start_at:
            return False
        if self.shift_end_at is not None and at >= self.shift_end_at:
            return False
        return begun is None or begun.lets_work(at)

    def must_suit(self, level: TransportLevel, required: Sequence[str]) -> None:
        """Refuse a unit that could not carry such a trip, whatever it does at the moment."""
        self.must_be_in_use()
        if not self.qualifies(level, required):
            state = self.current_status
            raise UnitUnsuitable("the unit lacks the level or the equipment", state=state)

    def must_be_in_use(self) -> None:
        if not self.is_active:
            raise UnitRetired("the unit is retired", state="RETIRED")

    def must_be_idle(self) -> None:
        self.must_be_in_use()
        if self.current_assignment_id is not None:
            raise UnitOnJob(
                f"the unit is {self.current_status} on a job",
                state=self.current_status,
                assignment_id=str(self.current_assignment_id),
            )

    def not_booked(self, level: TransportLevel, required: Sequence[str]) -> FailedPrecondition:
        """Say why the guarded booking left this unit as it is."""
        if not self.is_active:
            return UnitRetired("the unit is retired", state="RETIRED")
        if self.current_status is not UnitStatus.AVAILABLE:
            state = self.current_status
            return UnitNotAvailable(f"the unit is {state}", state=state)
        if not self.qualifies(level, required):
            return UnitUnsuitable(
                "the unit lacks the level or the equipment that the job needs",
                state=self.current_status,
            )
        return UnitOffShift("the unit is off shift", state=self.current_status)

    def describe(self, at: datetime, **values: object) -> tuple[Unit, UnitUpdated]:
        """Take a new description; on a job a unit stays what the job was given."""
        changes: dict[str, Any] = dict(values)
        unit = replace(self, **changes, updated_at=at, row_version=self.row_version + 1)
        if not self.is_active or self._fitness != unit._fitness:  # noqa: SLF001 - one of its own
            self.must_be_idle()
        return unit, UnitUpdated(unit)

    def set_status(self, status: UnitStatus, at: datetime) -> tuple[Unit, UnitStatusChanged]:
        """Do something else, without a job before or after."""
        self.must_be_idle()
        return self._turn(status, self.current_assignment_id, at)

    def break_down(self, at: datetime) -> tuple[Unit, UnitStatusChanged]:
        """Leave the job to the unit that takes it over."""
        return self._turn(UnitStatus.OUT_OF_SERVICE, None, at)

    def retire(self, at: datetime) -> tuple[Unit, UnitStatusChanged]:
        self.must_be_idle()
        unit, _ = self._turn(UnitStatus.OUT_OF_SERVICE, None, at)
        retired = replace(unit, is_active=False)
        return retired, UnitStatusChanged(retired, at)

    def follow(self, job: JobStatus, at: datetime) -> tuple[Unit, UnitStatusChanged]:
        """Go where the job has come to; when it has ended, be free."""
        if (status := FOLLOWS.get(job)) is None:
            return self._turn(UnitStatus.AVAILABLE, None, at)
        return self._turn(status, self.current_assignment_id, at)

    @property
    def _fitness(self) -> tuple[TransportLevel, frozenset[str]]:
        return self.effective_level, frozenset(self.capabilities)

    def _turn(
        self, status: UnitStatus, assignment_id: UUID | None, at: datetime
    ) -> tuple[Unit, UnitStatusChanged]:
        unit = replace(
            self,
            current_status=status,
            current_assignment_id=assignment_id,
            updated_at=at,
            row_version=self.row_version + 1,
        )
        return unit, UnitStatusChanged(unit, at)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which units are looked for, and where; no ``statuses``: those that could take a job now."""

    place: Place
    radius_miles: float
    level: TransportLevel
    capabilities: Sequence[str]
    statuses: Collection[str]

    def admits(self, unit: Unit, *, is_on_shift: bool) -> bool:
        if not unit.qualifies(self.level, self.capabilities):
            return False
        if self.statuses:
            return unit.current_status in self.statuses
        return is_on_shift and unit.current_status is UnitStatus.AVAILABLE


def create(
    agency_id: UUID, id: UUID, at: datetime, **values: object
) -> tuple[Unit, UnitStatusChanged]:
    """Make a unit, free from the start; its first status tells that it exists."""
    description: dict[str, Any] = dict(values)
    unit = Unit(
        agency_id=agency_id,
        id=id,
        current_status=UnitStatus.AVAILABLE,
        current_assignment_id=None,
        is_active=True,
        created_at=at,
        updated_at=at,
        row_version=1,
        **description,
    )
    return unit, UnitStatusChanged(unit, at)
