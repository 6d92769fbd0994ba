"""When units work: planned without overlap, decided with the unit's shift, kept once it was.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import unit_availability_pb2 as pb
from medport.ems.v1 import units_pb2
from psycopg.errors import ExclusionViolation

from chassis.clock import timestamp, utc_now
from tests.support.ems_shifts import Shifts
from tests.support.ems_silo import EmsSilo
from tests.support.ems_trips import Run, run
from tests.support.hospital_silo import refused

Code = grpc.StatusCode
# Pairs that share time: one begins while the other lasts. An interval without an end lasts until
# the next begins.
OVERLAPS = """
SELECT count(*) FROM unit_availability a JOIN unit_availability b USING (agency_id, unit_id)
WHERE a.id <> b.id AND a.start_at <= b.start_at
  AND (a.end_at > b.start_at OR a.start_at = b.start_at)
"""


@pytest.fixture
async def swift(silo: EmsSilo) -> Run:
    return await run(silo)


async def shifts_of(swift: Run, **changes: Any) -> Shifts:
    return Shifts(swift.agency, (await swift.agency.add_unit(**changes)).id)


async def is_on_shift(shifts: Shifts) -> bool:
    request = units_pb2.GetUnitRequest(agency_id=str(shifts.agency.id), unit_id=shifts.unit_id)
    answer = await shifts.agency.silo.units.GetUnit(request, metadata=shifts.agency.dispatcher)
    return answer.unit.is_on_shift


async def set_status(shifts: Shifts, status: words.UnitStatus.ValueType) -> units_pb2.Unit:
    request = units_pb2.SetUnitStatusRequest(
        unit_id=shifts.unit_id, status=status, **shifts.agency.own
    )
    stub = shifts.agency.silo.units
    return (await stub.SetUnitStatus(request, metadata=shifts.agency.dispatcher)).unit


async def test_a_unit_off_shift_is_not_assigned(silo: EmsSilo, swift: Run) -> None:
    job, now, hour = await swift.won(), utc_now(), timedelta(hours=1)
    over = await shifts_of(swift, shift_end_time=timestamp(now))
    early = await shifts_of(swift, shift_start_time=timestamp(now + hour))
    repaired = await shifts_of(swift)
    await repaired.plan(0, 1, "MAINTENANCE")
    gone = await shifts_of(swift)
    [current] = await gone.listed()
    await gone.change(current, "end_time", end_at=utc_now())

    for shifts in (over, early, repaired, gone):
        answer = await refused(swift.assign(job, shifts.unit_id))
        assert (answer.code, answer.reason) == (Code.FAILED_PRECONDITION, "UNIT_OFF_SHIFT")
        assert not await is_on_shift(shifts)
        assert swift.unit_status(shifts.unit_id) == "AVAILABLE"
    assert (await set_status(gone, words.UNIT_STATUS_AVAILABLE)).is_on_shift
    await swift.assign(job, gone.unit_id)


async def test_a_planned_shift_is_one_and_its_agency_may_bid_before_it(swift: Run) -> None:
    shifts = await shifts_of(swift)
    [current] = await shifts.listed()
    await shifts.change(current, "end_time", end_at=utc_now())
    await shifts.plan(2, 3)
    await swift.offer()

    assert not await is_on_shift(shifts)
    assert len(await swift.listed()) == 1  # a bid is about later
    await shifts.plan(0, 1)
    assert await is_on_shift(shifts)


async def test_intervals_of_one_unit_never_share_time(silo: EmsSilo, swift: Run) -> None:
    shifts, another = await shifts_of(swift), await shifts_of(swift)
    planned = await shifts.plan(1, 3)

    for start, end in ((2, 4), (0.5, 1.5), (1.5, 2), (0.5, 5), (6, None)):
        answer = await refused(shifts.plan(start, end))
        assert answer.code == Code.FAILED_PRECONDITION
        assert answer.reason == "UNIT_AVAILABILITY_OVERLAPS"
    assert planned.id in str((await refused(shifts.plan(2, 4))).facts)
    after = await shifts.plan(3.1, 4)
    await shifts.change(after, "end_time", end_at=utc_now() + timedelta(hours=9))
    later = utc_now() + timedelta(hours=3.5)
    crossing = await refused(shifts.change(planned, "end_time", end_at=later))
    assert crossing.reason == "UNIT_AVAILABILITY_OVERLAPS"
    await another.plan(1, 3)
    assert silo.sql(OVERLAPS) == [(0,)]
    with pytest.raises(ExclusionViolation):  # nor does who does not ask
        silo.sql("UPDATE unit_availability SET end_at = %s WHERE id = %s", later, planned.id)


async def test_what_has_begun_is_kept(swift: Run) -> None:
    shifts = await shifts_of(swift)
    planned = await shifts.plan(1, 3)
    [_, current] = await shifts.listed()

    noted = await shifts.change(current, "notes", notes="night crew")
    stale = await refused(shifts.change(current, "notes", notes="day crew"))
    for call in (
        shifts.change(noted, "status", status=words.UNIT_STATUS_OFF_DUTY),
        shifts.remove(noted),
    ):
        begun = await refused(call)
        assert (begun.code, begun.reason) == (Code.FAILED_PRECONDITION, "UNIT_AVAILABILITY_BEGUN")
        assert begun.facts["state"] == "BEGUN"
    over = await shifts.change(noted, "end_time", end_at=utc_now())
    longer = await refused(shifts.change(over, "end_time", end_at=utc_now()))
    assert longer.facts["state"] == "OVER"
    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    away = await shifts.change(planned, "status", status=words.UNIT_STATUS_OFF_DUTY)
    await shifts.remove(away)
    assert [each.notes for each in await shifts.listed()] == ["night crew"]


async def test_a_status_ends_the_plan_under_way_and_leaves_those_to_come(
    silo: EmsSilo, swift: Run
) -> None:
    shifts = await shifts_of(swift)
    repair = await shifts.plan(0, 1, "MAINTENANCE")
    later = await shifts.plan(2, 3)

    await set_status(shifts, words.UNIT_STATUS_ON_BREAK)
    await set_status(shifts, words.UNIT_STATUS_AVAILABLE)

    found = (await shifts.listed())[::-1]
    assert [words.UnitStatus.Name(each.status)[12:] for each in found] == [
        "AVAILABLE",
        "MAINTENANCE",
        "ON_BREAK",
        "AVAILABLE",
        "AVAILABLE",
    ]
    assert (found[1].id, found[4].id) == (repair.id, later.id)
    begins, ends = [each.start_time for each in found], [each.end_time for each in found]
    assert ends[0] == begins[1]  # until the plan began, not until the next command
    assert ends[1:3] == begins[2:4]
    assert not found[3].HasField("end_time")
    assert silo.sql(OVERLAPS) == [(0,)]


async def test_a_list_is_narrowed_by_unit_status_and_time(swift: Run) -> None:
    shifts = await shifts_of(swift)
    plans = [await shifts.plan(each, each + 0.5, "ON_BREAK") for each in (1, 2, 3)]

    paused = await shifts.listed(statuses=[words.UNIT_STATUS_ON_BREAK])
    assert [each.id for each in paused] == [each.id for each in plans[::-1]]
    middle = {"start_time": plans[1].start_time, "end_time": plans[2].start_time}
    # What the unit began with has no end: it lasted until the first plan.
    assert [each.id for each in await shifts.listed(time=middle)] == [plans[1].id]
    assert len(await shifts.listed(time={"end_time": plans[0].start_time})) == 1


async def test_a_crew_sees_its_own_units_and_plans_none(silo: EmsSilo, swift: Run) -> None:
    own, other = await shifts_of(swift), await shifts_of(swift)
    crew = await silo.login(swift.agency.id, "CREW", own.unit_id)
    hidden = (await other.listed())[0].id

    listing = pb.ListUnitAvailabilityRequest(agency_id=str(swift.agency.id))
    listed = await silo.shifts.ListUnitAvailability(listing, metadata=crew)
    request = pb.GetUnitAvailabilityRequest(
        agency_id=str(swift.agency.id), unit_availability_id=hidden
    )
    answer = await refused(silo.shifts.GetUnitAvailability(request, metadata=crew))

    assert {each.unit_id for each in listed.unit_availability} == {own.unit_id}
    assert answer.code == Code.NOT_FOUND
    seen = await silo.shifts.GetUnitAvailability(request, metadata=swift.agency.dispatcher)
    assert seen.unit_availability.unit_id == other.unit_id
    denied = await refused(
        silo.shifts.CreateUnitAvailability(
            pb.CreateUnitAvailabilityRequest(
                unit_availability=seen.unit_availability, **swift.agency.own
            ),
            metadata=crew,
        )
    )
    assert denied.code == Code.PERMISSION_DENIED


async def test_bad_intervals_name_their_field(swift: Run) -> None:
    shifts = await shifts_of(swift)
    crossed = await refused(shifts.plan(2, 1))
    busy = await refused(shifts.plan(1, 2, "RESERVED"))
    nobodys = await refused(Shifts(swift.agency, "0" * 32).plan(1, 2))
    assert (crossed.code, crossed.fields) == (
        Code.INVALID_ARGUMENT,
        ["unit_availability.end_time"],
    )
    assert busy.fields == ["unit_availability.status"]
    assert nobodys.fields == ["unit_availability.unit_id"]
