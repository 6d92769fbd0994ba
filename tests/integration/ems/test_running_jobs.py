"""What happens to a job under way: its trip changes, its unit is planned, swapped, late.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs

from chassis.clock import instant, timestamp, utc_now
from tests.support.ems_silo import EmsSilo, Metadata
from tests.support.ems_trips import Run, run
from tests.support.hospital_news import Trip
from tests.support.hospital_silo import refused
from tests.support.row_races import JOB, UNIT, failures, race

Code = grpc.StatusCode
STATES = {"EN_ROUTE": "EN_ROUTE", "IN_TRANSIT": "TRANSPORTING", "COMPLETED": "AVAILABLE"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


def swap(swift: Run, job: jobs.Assignment, unit_id: str) -> Any:
    request = jobs.SwapUnitRequest(
        assignment_id=job.id, unit_id=unit_id, notes="engine", **swift.agency.own
    )
    return swift.silo.jobs.SwapUnit(request, metadata=swift.agency.dispatcher)


def accept(swift: Run, job: jobs.Assignment, version: int) -> Any:
    request = jobs.AcceptTripChangeRequest(
        assignment_id=job.id, material_version=version, **swift.agency.own
    )
    return swift.silo.jobs.AcceptTripChange(request, metadata=swift.agency.dispatcher)


def plan(swift: Run, job: jobs.Assignment, unit_id: str) -> Any:
    request = jobs.PlanUnitRequest(
        assignment_id=job.id,
        unit_id=unit_id,
        start_time=timestamp(utc_now() + timedelta(hours=1)),
        **swift.agency.own,
    )
    return swift.silo.jobs.PlanUnit(request, metadata=swift.agency.dispatcher)


def report(swift: Run, job: jobs.Assignment, by: Metadata | None = None, **minutes: float) -> Any:
    given: dict[str, Any] = swift.agency.own
    given |= {
        f"eta_{end}_time": timestamp(utc_now() + timedelta(minutes=ahead))
        for end, ahead in minutes.items()
    }
    request = jobs.ReportEtaRequest(assignment_id=job.id, **given)
    return swift.silo.jobs.ReportEta(request, metadata=by or swift.agency.dispatcher)


async def driving(silo: EmsSilo, status: str) -> tuple[Run, jobs.Assignment, str]:
    """Return an agency's job that has come to ``status``, and its unit's id."""
    swift = await run(silo)
    job, unit = await swift.won(), await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    await swift.advance(job, status)
    return swift, await swift.job(), unit.id


async def a_facility(swift: Run, longitude: float) -> str:
    """Tell of one more facility, on the origin's latitude."""
    told = swift.trip.facilities()[0]
    told.facility.facility_id = str(uuid4())
    told.facility.location.longitude = longitude
    await swift.silo.hear(told)
    return told.facility.facility_id


def minutes_until(moment: Timestamp) -> int:
    return round((instant(moment) - utc_now()) / timedelta(minutes=1))


async def test_a_free_unit_takes_over_where_the_broken_one_stands(shared_silo: EmsSilo) -> None:
    silo = shared_silo
    swift, job, old = await driving(silo, "IN_TRANSIT")
    new, weak = await swift.agency.add_unit(), await swift.agency.add_unit(capabilities=[])
    unsuitable = await refused(swap(swift, job, weak.id))
    assert (unsuitable.code, unsuitable.reason) == (Code.FAILED_PRECONDITION, "UNIT_UNSUITABLE")
    assert (await refused(swap(swift, job, old))).reason == "UNIT_NOT_AVAILABLE"

    swapped = (await swap(swift, job, new.id)).assignment

    assert (swapped.unit_id, swapped.status) == (new.id, words.JOB_STATUS_IN_TRANSIT)
    assert (swift.unit_status(new.id), swift.unit_status(old)) == ("TRANSPORTING", "OUT_OF_SERVICE")
    assert "UnitAssigned" in silo.kinds(f"assignments/{job.id}")[-2:]
    for unit_id in (old, new.id):
        versions = silo.versions(f"units/{unit_id}")
        assert versions == list(range(1, len(versions) + 1))
    query = "SELECT status, notes FROM unit_availability WHERE unit_id = %s AND end_at IS NULL"
    assert silo.sql(query, old) == [("OUT_OF_SERVICE", "engine")]
    done = (await swift.advance(job, "COMPLETED")).assignment
    assert (done.unit_id, swift.unit_status(new.id)) == (new.id, "AVAILABLE")
    assert (await refused(swap(swift, job, weak.id))).reason == "JOB_STATE"


@pytest.mark.parametrize("to", ["IN_TRANSIT", "COMPLETED"])
async def test_a_swap_and_an_advance_leave_no_unit_behind(shared_silo: EmsSilo, to: str) -> None:
    silo = shared_silo
    swift, job, old = await driving(silo, "EN_ROUTE")
    new = (await swift.agency.add_unit()).id

    results = await race(
        silo, JOB, job.id, partial(swift.advance, job, to), partial(swap, swift, job, new)
    )

    ended = await swift.job()
    lost = failures(results)
    free = "OUT_OF_SERVICE" if not lost else "AVAILABLE"
    assert words.JobStatus.Name(ended.status).removeprefix("JOB_STATUS_") == to
    assert ended.unit_id == (old if lost else new)
    assert swift.unit_status(ended.unit_id) == STATES[to]
    assert swift.unit_status(old if not lost else new) == free
    query = "SELECT id FROM unit WHERE current_assignment_id = %s"
    holders = [str(row[0]) for row in silo.sql(query, job.id)]
    assert holders == ([] if to == "COMPLETED" else [ended.unit_id])


async def test_two_jobs_that_want_each_others_unit_keep_their_own(
    shared_silo: EmsSilo,
) -> None:
    swift, job, unit_id = await driving(shared_silo, "EN_ROUTE")
    other = Run(swift.agency, Trip())
    second, theirs = await other.won(), await swift.agency.add_unit()
    await other.assign(second, theirs.id)

    results = await race(
        shared_silo,
        UNIT,
        max(unit_id, theirs.id),
        partial(swap, swift, job, theirs.id),
        partial(swap, other, second, unit_id),
    )

    assert failures(results) == ["FAILED_PRECONDITION"] * 2
    assert ((await swift.job()).unit_id, (await other.job()).unit_id) == (unit_id, theirs.id)


async def test_a_plan_is_not_a_booking(shared_silo: EmsSilo) -> None:
    silo = shared_silo
    swift = await run(silo)
    job, unit = await swift.won(), await swift.agency.add_unit()
    other = Run(swift.agency, Trip())
    second = await other.won()
    before = silo.versions(f"assignments/{job.id}")

    planned = (await plan(swift, job, unit.id)).assignment
    await plan(other, second, unit.id)

    assert (planned.planned_unit_id, planned.unit_id) == (unit.id, "")
    assert planned.HasField("planned_start_time")
    assert swift.unit_status(unit.id) == "AVAILABLE"
    assert silo.versions(f"assignments/{job.id}") == before
    weak = await swift.agency.add_unit(type=words.UNIT_TYPE_BLS)
    assert (await refused(plan(swift, job, weak.id))).reason == "UNIT_UNSUITABLE"
    assert (await refused(plan(swift, job, str(uuid4())))).code is Code.NOT_FOUND
    gone = (await plan(swift, job, "")).assignment
    assert (gone.planned_unit_id, gone.HasField("planned_start_time")) == ("", False)
    await other.assign(second, unit.id)
    assert (await refused(plan(other, second, unit.id))).reason == "JOB_HAS_UNIT"


async def test_an_agency_agrees_to_what_a_trip_now_needs(shared_silo: EmsSilo) -> None:
    silo = shared_silo
    swift, job, unit_id = await driving(silo, "EN_ROUTE")
    await silo.hear(swift.trip.updated(required_capabilities=[words.CAPABILITY_VENTILATOR]))
    flagged = await swift.job()
    assert (flagged.material_version, flagged.confirmed_material_version) == (2, 1)
    assert (await refused(accept(swift, job, 2))).reason == "UNIT_UNSUITABLE"
    fitting = await swift.agency.add_unit(capabilities=[words.CAPABILITY_VENTILATOR])
    await swap(swift, job, fitting.id)
    outdated = await refused(accept(swift, job, 1))
    assert (outdated.reason, outdated.facts["material_version"]) == ("TRIP_CHANGED", "2")

    agreed = (await accept(swift, job, 2)).assignment
    again = (await accept(swift, job, 2)).assignment

    assert agreed.confirmed_material_version == 2
    assert again.etag == agreed.etag
    assert silo.kinds(f"assignments/{job.id}").count("TripChangeAccepted") == 1
    assert swift.unit_status(unit_id) == "OUT_OF_SERVICE"
    await swift.advance(job, "COMPLETED")
    assert (await refused(accept(swift, job, 2))).reason == "JOB_STATE"


@pytest.mark.parametrize("to", ["AT_DESTINATION", "COMPLETED"])
async def test_a_job_arrives_nowhere_before_its_change_is_accepted(
    shared_silo: EmsSilo, to: str
) -> None:
    swift, job, _ = await driving(shared_silo, "EN_ROUTE")
    await shared_silo.hear(swift.trip.updated(destination_facility_id=swift.trip.destination))
    await swift.advance(job, "IN_TRANSIT")

    answer = await refused(swift.advance(job, to))
    assert (answer.code, answer.reason) == (Code.FAILED_PRECONDITION, "TRIP_CHANGED")
    assert answer.facts["material_version"] == "2"
    await accept(swift, job, 2)
    await swift.advance(job, to)


async def test_each_step_tells_anew_when_the_unit_is_expected(shared_silo: EmsSilo) -> None:
    silo = shared_silo
    swift, job, _ = await driving(silo, "EN_ROUTE")  # from its base, which is the origin
    assert minutes_until(job.eta_destination_time) == 132
    silo.sql(
        "UPDATE assignment SET eta_pickup_at = now() + interval '60 minutes',"
        " eta_destination_at = now() + interval '199 minutes' WHERE id = %s",
        job.id,
    )

    aboard = (await swift.advance(job, "IN_TRANSIT")).assignment
    [*_, told] = silo.payloads(f"assignments/{job.id}")
    there = (await swift.advance(job, "AT_DESTINATION")).assignment

    assert not aboard.HasField("eta_pickup_time")
    assert minutes_until(aboard.eta_destination_time) == 132
    assert told.eta_destination_time == aboard.eta_destination_time
    assert not told.HasField("eta_pickup_time")
    assert not there.HasField("eta_destination_time")
    again = (await swift.advance(job, "AT_DESTINATION")).assignment
    assert again.etag == there.etag


async def test_a_unit_that_reports_no_place_is_taken_to_come_from_the_pickup(
    shared_silo: EmsSilo,
) -> None:
    silo = shared_silo
    swift, job, _ = await driving(silo, "IN_TRANSIT")
    near = await a_facility(
        swift, longitude=-78.6
    )  # 12.5 miles of road from the pickup: 17 minutes
    far = await a_facility(swift, longitude=-79.4)  # 63.0 miles: 84 minutes
    silo.sql(
        "UPDATE ems_agency SET longitude = -79.4, row_version = row_version + 1"
        " WHERE agency_id = %s",
        swift.agency.id,
    )
    silo.sql(
        "UPDATE assignment SET accepted_at = accepted_at - interval '30 minutes', en_route_at ="
        " NULL, arrived_pickup_at = NULL, picked_up_at = picked_up_at - interval '30 minutes'"
        " WHERE id = %s",
        job.id,
    )

    await silo.hear(swift.trip.updated(destination_facility_id=far))
    assert minutes_until((await swift.job()).eta_destination_time) == 54
    await silo.hear(swift.trip.updated(destination_facility_id=near))
    assert minutes_until((await swift.job()).eta_destination_time) == 0


async def test_a_diversion_brings_the_job_a_new_way(shared_silo: EmsSilo) -> None:
    silo = shared_silo
    swift, job, _ = await driving(silo, "IN_TRANSIT")
    near = await a_facility(swift, longitude=-78.6)

    await silo.hear(swift.trip.updated(destination_facility_id=near))

    led = await swift.job()
    assert led.loaded_miles < job.loaded_miles
    assert led.eta_destination_time.seconds < job.eta_destination_time.seconds
    assert silo.kinds(f"assignments/{job.id}")[-1] == "TripEtaChanged"


async def test_a_crews_estimate_is_told_when_it_differs_by_three_minutes(
    shared_silo: EmsSilo,
) -> None:
    silo = shared_silo
    swift, job, unit_id = await driving(silo, "EN_ROUTE")
    crew = await silo.login(swift.agency.id, "CREW", unit_id)
    stranger = await silo.login(swift.agency.id, "CREW", (await swift.agency.add_unit()).id)

    first = await report(swift, job, crew, pickup=40, destination=200)
    little = await report(swift, job, crew, pickup=42)
    enough = await report(swift, job, crew, pickup=45)

    assert [first.is_announced, little.is_announced, enough.is_announced] == [True, False, True]
    assert little.assignment.etag == first.assignment.etag
    assert enough.assignment.eta_destination_time == first.assignment.eta_destination_time
    assert silo.kinds(f"assignments/{job.id}")[-2:] == ["TripEtaChanged"] * 2
    assert (await refused(report(swift, job, stranger, pickup=9))).code is Code.NOT_FOUND
    for wrong in ({}, {"pickup": 20, "destination": 10}, {"pickup": -1}):
        assert (await refused(report(swift, job, crew, **wrong))).code is Code.INVALID_ARGUMENT
    await swift.advance(job, "IN_TRANSIT")
    assert (await refused(report(swift, job, crew, pickup=9))).reason == "JOB_STATE"
    assert (await report(swift, job, crew, destination=300)).is_announced
