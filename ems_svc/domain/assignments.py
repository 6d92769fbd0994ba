"""A job: the agency's side of a confirmed award, and the truth about where the patient is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.errors import FailedPrecondition, InvalidArgument
from chassis.vocabulary import JobStatus, TransportLevel
from ems_svc.domain.events import (
    CancellationRefused,
    TripAdvanced,
    TripChangeAccepted,
    TripEtaChanged,
    UnitAssigned,
    UnitStatusChanged,
    UnitUnassigned,
)
from ems_svc.domain.offered_trips import OfferedTrip, TripChanged
from ems_svc.domain.units import Unit

STEPS = (
    JobStatus.ACCEPTED,
    JobStatus.EN_ROUTE,
    JobStatus.AT_PICKUP,
    JobStatus.IN_TRANSIT,
    JobStatus.AT_DESTINATION,
    JobStatus.COMPLETED,
)
TIMES = {
    JobStatus.EN_ROUTE: "en_route_at",
    JobStatus.AT_PICKUP: "arrived_pickup_at",
    JobStatus.IN_TRANSIT: "picked_up_at",
    JobStatus.AT_DESTINATION: "arrived_destination_at",
    JobStatus.COMPLETED: "completed_at",
}
BEFORE_PICKUP = (JobStatus.ACCEPTED, JobStatus.EN_ROUTE, JobStatus.AT_PICKUP)
ABOARD = (JobStatus.IN_TRANSIT, JobStatus.AT_DESTINATION)
ARRIVED = (JobStatus.AT_DESTINATION, JobStatus.COMPLETED)
ETA_CHANGE = timedelta(minutes=3)  # a smaller change is not worth telling


class JobState(FailedPrecondition):
    reason = "JOB_STATE"


class JobNeedsUnit(FailedPrecondition):
    reason = "JOB_NEEDS_UNIT"


class JobHasUnit(FailedPrecondition):
    reason = "JOB_HAS_UNIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    agency_id: UUID
    id: UUID
    hospital_id: UUID
    transport_request_id: UUID
    bid_id: UUID
    award_token: UUID
    status: JobStatus
    transport_level: TransportLevel
    required_capabilities: list[str]
    unit_id: UUID | None
    planned_unit_id: UUID | None
    planned_start_at: datetime | None
    material_version: int
    confirmed_material_version: int
    accepted_at: datetime
    en_route_at: datetime | None
    arrived_pickup_at: datetime | None
    picked_up_at: datetime | None
    arrived_destination_at: datetime | None
    completed_at: datetime | None
    unit_assigned_at: datetime | None
    released_at: datetime | None
    release_reason: str | None
    eta_pickup_at: datetime | None
    eta_destination_at: datetime | None
    deadhead_miles: float | None
    loaded_miles: float | None
    created_at: datetime
    updated_at: datetime
    row_version: int

    @property
    def is_live(self) -> bool:
        return self.released_at is None

    @property
    def is_before_pickup(self) -> bool:
        return self.status in BEFORE_PICKUP

    @property
    def is_aboard(self) -> bool:
        return self.status in ABOARD

    def must_want_unit(self) -> None:
        if self.status is not JobStatus.ACCEPTED:
            raise self._state("gets no unit")
        if self.unit_id is not None:
            raise JobHasUnit(
                "the job has a unit already", state=self.status, unit_id=str(self.unit_id)
            )

    def assign(self, unit: Unit, at: datetime) -> tuple[Assignment, UnitAssigned]:
        """Take a unit that was booked for this job in the same transaction."""
        job = self._next(at, unit_id=unit.id, unit_assigned_at=at)
        return job, UnitAssigned(job, unit, at)

    def unassign(
        self, unit: Unit, at: datetime
    ) -> tuple[Assignment, Unit, tuple[UnitUnassigned, UnitStatusChanged]]:
        """Free the unit of a job that has yet to begin."""
        if self.status is not JobStatus.ACCEPTED:
            raise self._state("keeps its unit")
        job = self._next(
            at, unit_id=None, unit_assigned_at=None, eta_pickup_at=None, eta_destination_at=None
        )
        freed, changed = unit.follow(JobStatus.DROPPED, at)
        return job, freed, (UnitUnassigned(job, freed, at), changed)

    def plan(self, unit: Unit | None, start_at: datetime | None) -> Assignment:
        """Note which unit shall carry; it stays free, and nothing is announced."""
        self.must_want_unit()
        if unit is None:
            return replace(self, planned_unit_id=None, planned_start_at=None)
        unit.must_suit(self.transport_level, self.required_capabilities)
        return replace(self, planned_unit_id=unit.id, planned_start_at=start_at)

    def must_be_live(self) -> None:
        if not self.is_live:
            raise self._state("has ended")

    def must_swap(self) -> UUID:
        """Return the unit that another one may take the place of."""
        self.must_be_live()
        return self.must_have_unit()

    def swap(
        self, old: Unit, new: Unit, at: datetime
    ) -> tuple[Assignment, Unit, Unit, tuple[UnitAssigned | UnitStatusChanged, ...]]:
        """Go on with a unit that was booked for this job in the same transaction.

        It takes over the state of the one before, which is out of service from now on.
        """
        job = self._next(at, unit_id=new.id, unit_assigned_at=at)
        broken, stopped = old.break_down(at)
        events: list[UnitAssigned | UnitStatusChanged] = [stopped, UnitStatusChanged(new, at)]
        if self.status is not JobStatus.ACCEPTED:
            new, followed = new.follow(self.status, at)
            events.append(followed)
        return job, broken, new, (UnitAssigned(job, new, at), *events)

    def accept_change(
        self, version: int, unit: Unit | None, at: datetime
    ) -> tuple[Assignment, tuple[TripChangeAccepted, ...]]:
        """Agree to carry what the trip now needs, with ``unit`` if there is one."""
        self.must_be_live()
        if version != self.material_version:
            known = str(self.material_version)
            raise TripChanged("the trip changed once more: look again", material_version=known)
        if version == self.confirmed_material_version:
            return self, ()
        if unit is not None and self.is_before_pickup:
            unit.must_suit(self.transport_level, self.required_capabilities)
        job = self._next(at, confirmed_material_version=version)
        return job, (TripChangeAccepted(job),)

    def report(
        self, pickup_at: datetime | None, destination_at: datetime | None, at: datetime
    ) -> tuple[Assignment, tuple[TripEtaChanged, ...]]:
        """Take a crew's estimate of what lies ahead, if it is worth telling."""
        self.must_have_unit()
        _must_lie_ahead(at, eta_pickup_time=pickup_at, eta_destination_time=destination_at)
        if self.status not in (*BEFORE_PICKUP, JobStatus.IN_TRANSIT):
            raise self._state("expects no arrival")
        is_coming = self.status in (JobStatus.ACCEPTED, JobStatus.EN_ROUTE)
        if pickup_at is not None and not is_coming:
            raise self._state("has reached its origin")
        known = self.eta_pickup_at if is_coming else None
        told = self.expect(pickup_at or known, destination_at or self.eta_destination_at, at)
        return (self, ()) if told is None else (told[0], (told[1],))

    def must_have_unit(self) -> UUID:
        if self.unit_id is None:
            raise JobNeedsUnit("the job has no unit", state=self.status)
        return self.unit_id

    def steps_to(self, status: JobStatus) -> tuple[JobStatus, ...]:
        """Return the steps between here and ``status``.

        Raises JobState unless it lies ahead, and TripChanged for an arrival that nobody agreed to.
        """
        if not self.is_live or status not in STEPS or STEPS.index(status) < self._index:
            raise self._state(f"does not become {status}")
        steps = STEPS[self._index + 1 : STEPS.index(status) + 1]
        if steps and status in ARRIVED and self.confirmed_material_version < self.material_version:
            raise TripChanged(
                "the trip changed: accept the change first",
                material_version=str(self.material_version),
            )
        return steps

    def advance(
        self, status: JobStatus, unit: Unit, at: datetime
    ) -> tuple[Assignment, Unit, tuple[TripAdvanced | UnitStatusChanged, ...]]:
        """Move forward to ``status`` with the unit; steps left out take the same time."""
        job, events = self, list[TripAdvanced | UnitStatusChanged]()
        at = max(at, self._latest)  # another replica's clock may lag: times never run backwards
        steps = self.steps_to(status)
        for step in steps:
            released = at if step is JobStatus.COMPLETED else None
            job = job._next(at, status=step, released_at=released, **{TIMES[step]: at})
            events.append(TripAdvanced(job, step, at, unit, is_inferred=step is not status))
        if steps:
            unit, changed = unit.follow(status, at)
            events.append(changed)
        return job, unit, tuple(events)

    def end(self, status: JobStatus, reason: str, at: datetime) -> Assignment:
        """Give the trip up before the patient is aboard; the caller frees what it held."""
        if not self.is_live or not self.is_before_pickup:
            raise self._state(f"does not become {status}")
        return self._next(
            at,
            status=status,
            released_at=max(at, self._latest),
            release_reason=reason,
            eta_pickup_at=None,
            eta_destination_at=None,
        )

    def flagged(self, trip: OfferedTrip) -> Assignment:
        """Note what the trip now needs; the agency agreed to less until it says otherwise.

        Nothing is announced, so the version stays: it counts what others heard of the job.
        """
        return replace(
            self,
            material_version=trip.material_version,
            transport_level=trip.transport_level,
            required_capabilities=trip.required_capabilities,
        )

    def refuse_cancellation(
        self, cancel_token: UUID, at: datetime
    ) -> tuple[Assignment, CancellationRefused]:
        """Go on: the patient is aboard, or was."""
        job = self._next(at)
        return job, CancellationRefused(job, cancel_token, "PATIENT_ABOARD")

    def expect(
        self, pickup_at: datetime | None, destination_at: datetime | None, at: datetime
    ) -> tuple[Assignment, TripEtaChanged] | None:
        """Take new estimates; None when they differ by less than is worth telling."""
        if not _differs(self.eta_pickup_at, pickup_at) and not _differs(
            self.eta_destination_at, destination_at
        ):
            return None
        job = self._next(at, eta_pickup_at=pickup_at, eta_destination_at=destination_at)
        return job, TripEtaChanged(job, at)

    @property
    def _index(self) -> int:
        return STEPS.index(self.status)

    @property
    def _latest(self) -> datetime:
        times: list[datetime | None] = [getattr(self, name) for name in TIMES.values()]
        return max([self.accepted_at, *(each for each in times if each is not None)])

    def _next(self, at: datetime, **values: object) -> Assignment:
        changes: dict[str, Any] = dict(values)
        return replace(self, **changes, updated_at=at, row_version=self.row_version + 1)

    def _state(self, text: str) -> JobState:
        return JobState(f"the job is {self.status} and {text}", state=self.status)


def _must_lie_ahead(at: datetime, **times: datetime | None) -> None:
    wrong = {
        name: "must lie in the future"
        for name, moment in times.items()
        if moment is not None and moment < at
    }
    if wrong:
        raise InvalidArgument("what is expected is over", violations=wrong)


def _differs(known: datetime | None, now: datetime | None) -> bool:
    if known is None or now is None:
        return known is not now
    return abs(now - known) >= ETA_CHANGE
