"""Jobs: a trip from offer to completion, and everything by which a job ends early.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.hospital.events.v1 import transport_requests_pb2 as hospital

from chassis.clock import timestamp, utc_now
from ems_svc.timers import idempotency_keys
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.hospital_silo import refused

Code = grpc.StatusCode


async def test_a_trip_goes_all_the_way(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()

    await swift.assign(job, unit.id)
    for status in ("EN_ROUTE", "AT_PICKUP", "IN_TRANSIT", "AT_DESTINATION", "COMPLETED"):
        done = (await swift.advance(job, status)).assignment

    assert done.status == words.JOB_STATUS_COMPLETED
    assert done.loaded_miles == pytest.approx(98.6)
    assert swift.unit_status(unit.id) == "AVAILABLE"
    assert silo.kinds(f"assignments/{job.id}") == [
        "AwardConfirmed",
        "UnitAssigned",
        "TripEtaChanged",
        *["TripAdvanced", "TripEtaChanged"] * 2,  # without the turnout; the origin is reached
        "TripAdvanced",
        *["TripAdvanced", "TripEtaChanged"],
        "TripAdvanced",
    ]
    assert silo.versions(f"assignments/{job.id}") == list(range(1, 12))
    assert silo.versions(f"units/{unit.id}") == list(range(1, 8))
    assert silo.versions(f"transport_bids/{job.bid_id}") == [1, 2]
    actions = [row[0] for row in silo.sql("SELECT action FROM audit_entry ORDER BY id")]
    assert actions.count("AdvanceTrip") == 5


async def test_steps_left_out_are_filled_in(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)

    aboard = (await swift.advance(job, "IN_TRANSIT")).assignment

    assert aboard.en_route_time == aboard.pickup_time
    steps = [
        each for each in silo.payloads(f"assignments/{job.id}") if hasattr(each, "is_inferred")
    ]
    assert [step.is_inferred for step in steps] == [True, True, False]
    assert swift.unit_status(unit.id) == "TRANSPORTING"


async def test_a_job_moves_forward_only(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()

    without = await refused(swift.advance(job, "EN_ROUTE"))
    assert (without.code, without.reason) == (Code.FAILED_PRECONDITION, "JOB_NEEDS_UNIT")
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    await swift.advance(job, "IN_TRANSIT")
    again = await swift.advance(job, "IN_TRANSIT")
    assert again.assignment.status == words.JOB_STATUS_IN_TRANSIT

    back = await refused(swift.advance(job, "EN_ROUTE"))
    dropped = await refused(swift.drop(job))

    assert (back.code, back.reason) == (Code.FAILED_PRECONDITION, "JOB_STATE")
    assert back.facts["state"] == "IN_TRANSIT"
    assert (dropped.reason, dropped.facts["state"]) == ("JOB_STATE", "IN_TRANSIT")


async def test_a_drop_frees_everything_that_the_job_held(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)

    dropped = (await swift.drop(job)).assignment

    assert dropped.status == words.JOB_STATUS_DROPPED
    assert dropped.release_reason == "UNIT_BREAKDOWN"
    assert swift.unit_status(unit.id) == "AVAILABLE"
    assert (await swift.get_bid(job.bid_id)).status == words.BID_STATUS_RELEASED
    await silo.hear(swift.trip.reopened())
    again = await swift.bid()
    await silo.hear(swift.trip.awarded(again.id, swift.agency.id))
    assert (await swift.job()).id != job.id


async def test_a_unit_leaves_a_job_that_has_not_begun(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)

    request = jobs.UnassignUnitRequest(assignment_id=job.id, **swift.agency.own)
    freed = await silo.jobs.UnassignUnit(request, metadata=swift.agency.dispatcher)

    assert freed.assignment.unit_id == ""
    assert swift.unit_status(unit.id) == "AVAILABLE"
    await swift.assign(job, unit.id)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": words.UNIT_TYPE_BLS}, "UNIT_UNSUITABLE"),
        ({"crew_level": words.TRANSPORT_LEVEL_BLS}, "UNIT_UNSUITABLE"),
        ({"capabilities": []}, "UNIT_UNSUITABLE"),
    ],
)
async def test_a_unit_that_does_not_fit_is_not_booked(
    silo: EmsSilo, changes: dict[str, object], reason: str
) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit(**changes)

    answer = await refused(swift.assign(job, unit.id))

    assert (answer.code, answer.reason) == (Code.FAILED_PRECONDITION, reason)
    assert swift.unit_status(unit.id) == "AVAILABLE"


async def test_another_agencys_job_does_not_exist(silo: EmsSilo) -> None:
    swift, rival = await run(silo), await silo.agency("Rival")
    job = await swift.won()

    def ask(id: str) -> jobs.GetAssignmentRequest:
        return jobs.GetAssignmentRequest(agency_id=str(rival.id), assignment_id=id)

    theirs = await refused(silo.jobs.GetAssignment(ask(job.id), metadata=rival.dispatcher))
    nobody = str(uuid4())
    missing = await refused(silo.jobs.GetAssignment(ask(nobody), metadata=rival.dispatcher))

    assert theirs.code == missing.code == Code.NOT_FOUND
    assert theirs.text.replace(job.id, "") == missing.text.replace(nobody, "")
    named = jobs.GetAssignmentRequest(agency_id=str(swift.agency.id), assignment_id=job.id)
    foreign = await refused(silo.jobs.GetAssignment(named, metadata=rival.dispatcher))
    assert foreign.code == Code.PERMISSION_DENIED


async def test_a_crew_moves_its_own_units_job_only(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit, other = await swift.agency.add_unit(), await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    crew = await silo.login(swift.agency.id, "CREW", unit.id)
    strangers = await silo.login(swift.agency.id, "CREW", other.id)

    assert (await refused(swift.advance(job, "EN_ROUTE", strangers))).code == Code.NOT_FOUND
    moved = (await swift.advance(job, "EN_ROUTE", crew)).assignment

    assert moved.status == words.JOB_STATUS_EN_ROUTE
    listing = jobs.ListAssignmentsRequest(agency_id=str(swift.agency.id))
    assert not (await silo.jobs.ListAssignments(listing, metadata=strangers)).assignments
    assert len((await silo.jobs.ListAssignments(listing, metadata=crew)).assignments) == 1


async def test_a_repeat_gets_the_first_answer(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    request = jobs.AssignUnitRequest(assignment_id=job.id, unit_id=unit.id, **swift.agency.own)

    first = await silo.jobs.AssignUnit(request, metadata=swift.agency.dispatcher)
    again = await silo.jobs.AssignUnit(request, metadata=swift.agency.dispatcher)
    request.unit_id = str(uuid4())
    other = await refused(silo.jobs.AssignUnit(request, metadata=swift.agency.dispatcher))

    assert first == again
    assert (other.code, other.reason) == (Code.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert silo.kinds(f"assignments/{job.id}").count("UnitAssigned") == 1
    [(kept,)] = silo.sql("SELECT count(*) FROM idempotency_key")
    now = utc_now()
    assert await idempotency_keys.sweep(silo.database, lambda: now + timedelta(hours=23)) == 0
    assert await idempotency_keys.sweep(silo.database, lambda: now + timedelta(hours=25)) == kept


async def test_a_revoked_award_frees_everything_before_pickup(silo: EmsSilo) -> None:
    swift = await run(silo)
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)

    await silo.hear(swift.trip.revoked())

    assert (await swift.job()).status == words.JOB_STATUS_REVOKED
    assert swift.unit_status(unit.id) == "AVAILABLE"
    assert (await swift.get_bid(job.bid_id)).status == words.BID_STATUS_RELEASED


async def test_a_patient_aboard_stays_there_whatever_the_hospital_decides(silo: EmsSilo) -> None:
    swift = await run(silo)
    rival = Run(await silo.agency("Rival"), swift.trip)
    await rival.agency.add_unit()
    job = await swift.won()
    unit = await swift.agency.add_unit()
    await swift.assign(job, unit.id)
    await swift.advance(job, "IN_TRANSIT")

    await silo.hear(swift.trip.revoked(), swift.trip.reopened())
    theirs = await rival.bid()
    await silo.hear(swift.trip.awarded(theirs.id, rival.agency.id))

    assert [each.reason for each in silo.payloads("awards/%")] == ["PATIENT_ABOARD"]
    assert swift.unit_status(unit.id) == "TRANSPORTING"
    done = (await swift.advance(job, "COMPLETED")).assignment
    assert done.status == words.JOB_STATUS_COMPLETED


async def test_a_changed_trip_flags_the_job_that_runs(silo: EmsSilo) -> None:
    swift = await run(silo)
    await swift.won()
    swift.trip.material_version = 2
    changed = hospital.TransportRequestUpdated(
        trip=swift.trip.ref(),
        need=swift.trip.need(),
        offer_expire_time=timestamp(utc_now() + timedelta(minutes=20)),
    )

    await silo.hear(changed)

    job = await swift.job()
    assert (job.material_version, job.confirmed_material_version) == (2, 1)
