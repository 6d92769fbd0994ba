"""Where a unit on a job is, what follows for its arrival, and what others hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chassis.unit_of_work import UnitOfWork
from ems_svc.domain.arrivals import Start, Way
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.distances import Place
from ems_svc.domain.events import Event, UnitLocationReported
from ems_svc.domain.unit_locations import Taken, UnitLocation
from ems_svc.repositories import (
    agencies,
    assignments,
    center_copies,
    facility_directory,
    offered_trips,
    unit_location_history,
    unit_locations,
    units,
)


async def move(uow: UnitOfWork, fix: UnitLocation, at: datetime) -> tuple[Taken, list[Event]]:
    """Take a fix if it is the newest; say what became of it, and what to announce."""
    job = await assignments.lock_of_unit(uow, fix.agency_id, fix.unit_id)
    await units.get(uow, fix.agency_id, fix.unit_id)
    location = await unit_locations.move(uow, fix)
    if location is None:
        return Taken.OUTDATED, []
    is_kept = await unit_location_history.keep(uow, location)
    taken = Taken.KEPT if is_kept else Taken.ACCEPTED
    if job is None:
        return taken, []
    events: list[Event] = []
    if location.is_due(at):
        location = location.announced(at)
        await unit_locations.save(uow, location)
        events.append(UnitLocationReported(job, location))
    if expected := await _expected(uow, job, location.place, at):
        events.append(expected[1])
        await assignments.save(uow, expected[0])
    return taken, events


async def depart(uow: UnitOfWork, job: Assignment, at: datetime) -> tuple[Assignment, list[Event]]:
    """Estimate the way of a job that has just got its unit, from where that was seen last."""
    way = await _way(uow, job)
    if way is None:
        return job, []
    start = await _start(uow, job, way, at)
    if job.is_before_pickup:
        job = replace(job, deadhead_miles=way.deadhead_miles(start.place))
    return _told(job, way, start, at)


async def proceed(uow: UnitOfWork, job: Assignment, at: datetime) -> tuple[Assignment, list[Event]]:
    """Estimate anew the way of a job that has just moved on: what it passed is expected no more."""
    way = await _way(uow, job)
    return (job, []) if way is None else _told(job, way, await _start(uow, job, way, at), at)


async def redirect(
    uow: UnitOfWork, job: Assignment, at: datetime
) -> tuple[Assignment, list[Event]]:
    """Estimate anew the way of a job whose trip changed; what was told before no longer holds."""
    way = await _way(uow, job)
    if way is None:
        return job, []
    job = replace(job, loaded_miles=way.loaded_miles, eta_destination_at=None)
    if job.unit_id is None:
        return job, []
    return _told(job, way, await _start(uow, job, way, at), at)


def _told(job: Assignment, way: Way, start: Start, at: datetime) -> tuple[Assignment, list[Event]]:
    pickup_at, destination_at = way.estimate(job.status, start.place, start.at)
    if destination_at is not None:
        destination_at = max(destination_at, at)  # it may be late, but has not come
    expected = job.expect(pickup_at, destination_at, at)
    return (job, []) if expected is None else (expected[0], [expected[1]])


async def _start(uow: UnitOfWork, job: Assignment, way: Way, at: datetime) -> Start:
    """Return where the job's unit was seen last.

    If that is long ago: where it took the patient aboard; before that, the agency's base.
    """
    location = await unit_locations.find(uow, job.agency_id, job.must_have_unit())
    if location is not None and not location.is_stale(at):
        return Start(location.place, at)
    if job.picked_up_at is not None:
        return Start(way.origin, job.picked_up_at)
    return Start((await agencies.get(uow, job.agency_id)).base, at)


async def _expected(
    uow: UnitOfWork, job: Assignment, unit: Place, at: datetime
) -> tuple[Assignment, Event] | None:
    way = await _way(uow, job)
    return None if way is None else job.expect(*way.estimate(job.status, unit, at), at)


async def _way(uow: UnitOfWork, job: Assignment) -> Way | None:
    trip = await offered_trips.find(uow, job.hospital_id, job.transport_request_id)
    if trip is None:
        return None
    ends = (trip.origin_facility_id, trip.destination_facility_id)
    known = await facility_directory.by_id(uow, ends)
    if not known.keys() >= set(ends):
        return None
    origin, destination = (known[id].place for id in ends)
    return Way(origin, destination, await center_copies.road_factor(uow))
