"""A watch of units begins with those in use, goes on with what changes, and resumes.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from medport.common.v1 import event_log_pb2 as log
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import units_pb2 as pb

from chassis.clock import timestamp, utc_now
from ems_svc.unit_watching import UnitWatch
from tests.support.ems_silo import ALTOONA, Agency, EmsSilo, Metadata
from tests.support.ems_trips import run
from tests.support.hospital_silo import refused


@pytest.fixture
async def swift(silo: EmsSilo) -> Agency:
    return await silo.agency(radius_miles=0)


def watch(agency: Agency, by: Metadata | None = None, **asked: Any) -> Any:
    request = pb.WatchUnitsRequest(agency_id=str(agency.id), **asked)
    return agency.silo.units.WatchUnits(request, metadata=by or agency.dispatcher)


async def until(stream: Any, kind: str) -> list[pb.WatchUnitsResponse]:
    """Read frames up to the first of ``kind``."""
    frames = list[pb.WatchUnitsResponse]()
    async with asyncio.timeout(20):
        while not frames or frames[-1].WhichOneof("frame") != kind:
            frames.append(await stream.read())
    return frames


async def until_unit(stream: Any, id: str, status: str) -> pb.WatchUnitsResponse:
    """Read until a unit is seen in a state; what the snapshot showed may come again."""
    while True:
        seen = (await until(stream, "unit"))[-1]
        if seen.unit.id == id and seen.unit.current_status == words.UnitStatus.Value(
            f"UNIT_STATUS_{status}"
        ):
            return seen


def units(frames: list[pb.WatchUnitsResponse]) -> set[str]:
    return {each.unit.id for each in frames if each.HasField("unit")}


async def turn(agency: Agency, unit_id: str, status: words.UnitStatus.ValueType) -> None:
    request = pb.SetUnitStatusRequest(unit_id=unit_id, status=status, **agency.own)
    await agency.silo.units.SetUnitStatus(request, metadata=agency.dispatcher)


async def test_a_watch_shows_what_is_in_use_then_changes_and_resumes(swift: Agency) -> None:
    first, second, gone = [await swift.add_unit() for _ in range(3)]
    retiring = pb.RetireUnitRequest(unit_id=gone.id, **swift.own)
    await swift.silo.units.RetireUnit(retiring, metadata=swift.dispatcher)
    stream = watch(swift)
    frames = await until(stream, "snapshot_end")

    await turn(swift, first.id, words.UNIT_STATUS_ON_BREAK)
    seen = await until_unit(stream, first.id, "ON_BREAK")
    stream.cancel()
    await turn(swift, second.id, words.UNIT_STATUS_OFF_DUTY)
    resumed = watch(swift, resume_token=seen.resume_token)

    assert units(frames) == {first.id, second.id}
    assert frames[-1].snapshot_end.event_count == 2
    assert not frames[0].resume_token
    assert not (await until_unit(resumed, second.id, "OFF_DUTY")).unit.is_on_shift
    added = await swift.add_unit()
    await until_unit(resumed, added.id, "AVAILABLE")
    resumed.cancel()


async def test_a_watcher_sees_a_job_begin_and_where_its_unit_is(silo: EmsSilo) -> None:
    ride = await run(silo)
    job, unit, other = await ride.won(), await ride.agency.add_unit(), await ride.agency.add_unit()
    stream = watch(ride.agency, unit_ids=[unit.id])
    assert units(await until(stream, "snapshot_end")) == {unit.id}

    await turn(ride.agency, other.id, words.UNIT_STATUS_ON_BREAK)
    await ride.assign(job, unit.id)
    booked = await until_unit(stream, unit.id, "RESERVED")
    assert booked.unit.current_assignment_id == job.id
    fix = pb.ReportLocationRequest(
        agency_id=str(ride.agency.id),
        unit_id=unit.id,
        location=ALTOONA,
        fix_time=timestamp(utc_now()),
    )
    await silo.units.ReportLocation(iter([fix]), metadata=ride.agency.dispatcher)
    moved = booked
    while not moved.unit.HasField("current_location"):
        [*_, moved] = await until(stream, "unit")
        assert moved.unit.id == unit.id
    assert moved.unit.current_location.location.latitude == ALTOONA["latitude"]
    stream.cancel()


async def test_a_crew_watches_its_own_unit_and_nobody_another_agencys(
    silo: EmsSilo, swift: Agency
) -> None:
    own, other = await swift.add_unit(), await swift.add_unit()
    crew = await silo.login(swift.id, "CREW", own.id)
    stream = watch(swift, crew)
    seen = await until(stream, "snapshot_end")

    await turn(swift, other.id, words.UNIT_STATUS_ON_BREAK)
    await turn(swift, own.id, words.UNIT_STATUS_OFF_DUTY)
    while not seen[-1].HasField("unit"):
        seen += await until(stream, "unit")

    assert units(seen) == {own.id}
    stream.cancel()
    rival = await silo.agency("Rival", radius_miles=0)
    denied = await refused(watch(swift, rival.dispatcher).read())
    assert denied.code == grpc.StatusCode.PERMISSION_DENIED
    token = await refused(watch(swift, resume_token=b"nonsense").read())
    assert token.reason == "INVALID_RESUME_TOKEN"


async def test_a_heartbeat_brings_who_has_moved_without_a_job(silo: EmsSilo, swift: Agency) -> None:
    moving, still, other = [await swift.add_unit() for _ in range(3)]
    frames = list[pb.WatchUnitsResponse]()

    async def write(frame: pb.WatchUnitsResponse) -> None:
        frames.append(frame)

    request = pb.WatchUnitsRequest(agency_id=str(swift.id), unit_ids=[moving.id, still.id])
    watching = UnitWatch(request, silo.database.read(swift.id), utc_now, write)
    await watching.snapshot(b"1")
    for unit in (moving, other):
        fix = pb.ReportLocationRequest(
            agency_id=str(swift.id),
            unit_id=unit.id,
            location=ALTOONA,
            fix_time=timestamp(utc_now()),
        )
        await silo.units.ReportLocation(iter([fix]), metadata=swift.dispatcher)
    del frames[:]

    await watching.heartbeat(log.Bookmark(), b"2")

    assert units(frames) == {moving.id}
    assert frames[0].unit.HasField("current_location")
    assert [each.resume_token for each in frames] == [b"", b"2"]
