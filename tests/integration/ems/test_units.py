"""Units: made, described, sent on a break, located, retired; and what bad input gets.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import units_pb2 as pb

from chassis.clock import timestamp, utc_now
from tests.support.ems_silo import ALTOONA, Agency, EmsSilo
from tests.support.ems_trips import run
from tests.support.hospital_silo import refused

Code = grpc.StatusCode


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def swift(shared_silo: EmsSilo) -> Agency:
    return await shared_silo.agency(radius_miles=0)


async def test_a_unit_is_made_once_per_number(swift: Agency) -> None:
    unit = await swift.add_unit(unit_number="M1", crew_level=words.TRANSPORT_LEVEL_BLS)

    taken = await refused(swift.add_unit(unit_number="M1"))

    assert unit.current_status == words.UNIT_STATUS_AVAILABLE
    assert unit.effective_level == words.TRANSPORT_LEVEL_BLS
    assert (taken.code, taken.reason) == (Code.ALREADY_EXISTS, "UNIT_NUMBER_TAKEN")
    assert swift.silo.kinds(f"units/{unit.id}") == ["UnitStatusChanged"]


async def test_an_update_takes_what_the_mask_names(swift: Agency) -> None:
    unit = await swift.add_unit(unit_number="M1")

    def update(*paths: str, etag: str = "1", **values: Any) -> Any:
        request = pb.UpdateUnitRequest(
            unit_id=unit.id,
            unit=pb.Unit(**values),
            update_mask=FieldMask(paths=paths),
            etag=etag,
            **swift.own,
        )
        return swift.silo.units.UpdateUnit(request, metadata=swift.dispatcher)

    changed = (await update("unit_number", unit_number="M2")).unit
    stale = await refused(update("unit_number", unit_number="M3"))
    state = await refused(update("current_status", etag="2"))
    empty = await refused(update("unit_number", etag="2"))
    blank = await refused(update("unit_number", unit_number=" ", etag="2"))
    unread = (await update("crew_level", crew_level=2, unit_number=" ", etag="2")).unit

    assert (changed.unit_number, changed.type) == ("M2", words.UNIT_TYPE_ALS)
    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    assert (state.code, state.fields) == (Code.INVALID_ARGUMENT, ["update_mask.paths[0]"])
    assert (empty.code, empty.fields) == (Code.INVALID_ARGUMENT, ["unit.unit_number"])
    assert (blank.code, blank.fields) == (Code.INVALID_ARGUMENT, ["unit.unit_number"])
    assert unread.unit_number == "M2"


async def test_an_update_that_no_row_could_take_is_refused_before_one_is_read(
    shared_silo: EmsSilo, swift: Agency
) -> None:
    def update(*paths: str, **values: Any) -> Any:
        request = pb.UpdateUnitRequest(
            unit_id=str(uuid4()),  # there is none: whoever looks answers NOT_FOUND
            unit=pb.Unit(**values),
            update_mask=FieldMask(paths=paths),
            etag="1",
            **swift.own,
        )
        return shared_silo.units.UpdateUnit(request, metadata=swift.dispatcher)

    late, early = Timestamp(seconds=1_800_000_100), Timestamp(seconds=1_800_000_000)
    assert (await refused(update("nowhere"))).fields == ["update_mask.paths[0]"]
    assert (await refused(update("unit_number", unit_number="x" * 21))).fields == [
        "unit.unit_number"
    ]
    assert (await refused(update("capabilities", capabilities=[99]))).fields == [
        "unit.capabilities[0]"
    ]
    crossed = {"shift_start_time": late, "shift_end_time": early}
    both = await refused(update("shift_start_time", "shift_end_time", **crossed))
    assert both.fields == ["unit.shift_end_time"]
    one = await refused(update("shift_end_time", **crossed))  # the other is the row's to know
    assert one.code == Code.NOT_FOUND


async def test_a_unit_on_a_break_is_not_booked_and_a_booked_one_takes_none(
    shared_silo: EmsSilo,
) -> None:
    ride = await run(shared_silo)
    job, unit = await ride.won(), await ride.agency.add_unit()

    def turn(status: words.UnitStatus.ValueType) -> Any:
        request = pb.SetUnitStatusRequest(unit_id=unit.id, status=status, **ride.agency.own)
        return shared_silo.units.SetUnitStatus(request, metadata=ride.agency.dispatcher)

    await turn(words.UNIT_STATUS_ON_BREAK)
    pausing = await refused(ride.assign(job, unit.id))
    await turn(words.UNIT_STATUS_AVAILABLE)
    await ride.assign(job, unit.id)
    booked = await refused(turn(words.UNIT_STATUS_OFF_DUTY))

    assert (pausing.reason, pausing.facts["state"]) == ("UNIT_NOT_AVAILABLE", "ON_BREAK")
    assert (booked.code, booked.reason) == (Code.FAILED_PRECONDITION, "UNIT_ON_JOB")
    assert booked.facts["state"] == "RESERVED"
    intervals = "SELECT status, end_at IS NULL FROM unit_availability WHERE unit_id = %s"
    assert shared_silo.sql(f"{intervals} ORDER BY start_at", unit.id) == [
        ("AVAILABLE", False),
        ("ON_BREAK", False),
        ("AVAILABLE", True),
    ]


async def test_a_retired_unit_leaves_its_number(swift: Agency) -> None:
    unit = await swift.add_unit(unit_number="M1")
    request = pb.RetireUnitRequest(unit_id=unit.id, **swift.own)

    retired = (await swift.silo.units.RetireUnit(request, metadata=swift.dispatcher)).unit
    again = pb.RetireUnitRequest(unit_id=unit.id, **swift.own)
    twice = await refused(swift.silo.units.RetireUnit(again, metadata=swift.dispatcher))

    assert not retired.is_active
    told = swift.silo.payloads(f"units/{unit.id}")
    assert [(each.status, each.is_retired) for each in told] == [
        (words.UNIT_STATUS_AVAILABLE, False),
        (words.UNIT_STATUS_OUT_OF_SERVICE, True),
    ]
    assert (twice.code, twice.reason) == (Code.FAILED_PRECONDITION, "UNIT_RETIRED")
    listing = pb.ListUnitsRequest(agency_id=str(swift.id))
    listed = await swift.silo.units.ListUnits(listing, metadata=swift.dispatcher)
    assert not listed.units
    await swift.add_unit(unit_number="M1")


async def test_the_latest_fix_wins_and_hospitals_hear_of_it_twice_a_minute(
    shared_silo: EmsSilo,
) -> None:
    ride = await run(shared_silo)
    job, unit = await ride.won(), await ride.agency.add_unit()
    await ride.assign(job, unit.id)
    await ride.advance(job, "EN_ROUTE")
    now = utc_now()

    def fix(seconds: float, latitude: float) -> pb.ReportLocationRequest:
        return pb.ReportLocationRequest(
            agency_id=str(ride.agency.id),
            unit_id=unit.id,
            location={"latitude": latitude, "longitude": -78.4},
            fix_time=timestamp(now + timedelta(seconds=seconds)),
        )

    fixes = [fix(-20, 40.1), fix(-10, 40.2), fix(-15, 40.3), fix(3600, 40.4)]
    answer = await shared_silo.units.ReportLocation(iter(fixes), metadata=ride.agency.dispatcher)
    request = pb.GetUnitRequest(agency_id=str(ride.agency.id), unit_id=unit.id)
    seen = (await shared_silo.units.GetUnit(request, metadata=ride.agency.dispatcher)).unit

    assert answer.accepted_count == 2
    assert seen.current_location.location.latitude == pytest.approx(40.2)
    assert shared_silo.kinds(f"unit_locations/{unit.id}") == ["UnitLocationReported"]


def nan() -> dict[str, float]:
    return {"latitude": math.nan, "longitude": 0.0}


BAD = [
    ({"unit_number": ""}, "unit.unit_number"),
    ({"unit_number": "M\0"}, "unit.unit_number"),
    ({"unit_number": "M" * 21}, "unit.unit_number"),
    ({"type": 99}, "unit.type"),
    ({"type": 0}, "unit.type"),
    ({"crew_level": 0}, "unit.crew_level"),
    ({"capabilities": [77]}, "unit.capabilities[0]"),
    ({"shift_end_time": Timestamp(seconds=253402300799)}, "unit.shift_end_time"),
]


@pytest.mark.parametrize(
    ("values", "field"), BAD, ids=[f"{field}-{i}" for i, (_, field) in enumerate(BAD)]
)
async def test_bad_input_names_its_field(swift: Agency, values: dict[str, Any], field: str) -> None:
    answer = await refused(swift.add_unit(**values))

    assert answer.code == Code.INVALID_ARGUMENT
    assert field in answer.fields


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GetUnitRequest(unit_id="nonsense"), "unit_id"),
        (pb.GetUnitRequest(unit_id=""), "unit_id"),
        (pb.GetUnitRequest(unit_id="\0"), "unit_id"),
    ],
)
async def test_a_malformed_id_names_its_field(
    swift: Agency, request_: pb.GetUnitRequest, field: str
) -> None:
    request_.agency_id = str(swift.id)
    answer = await refused(swift.silo.units.GetUnit(request_, metadata=swift.dispatcher))
    assert (answer.code, answer.fields[0]) == (Code.INVALID_ARGUMENT, field)


async def test_a_place_that_is_none_is_refused(swift: Agency) -> None:
    unit = await swift.add_unit()
    for place in (nan(), {"latitude": 91.0}, {"latitude": math.inf}):
        request = pb.ReportLocationRequest(
            agency_id=str(swift.id),
            unit_id=unit.id,
            location=place,
            fix_time=timestamp(utc_now()),
        )
        answer = await refused(
            swift.silo.units.ReportLocation(iter([request]), metadata=swift.dispatcher)
        )
        assert (answer.code, answer.fields) == (Code.INVALID_ARGUMENT, ["location"])


async def test_a_page_of_negative_size_is_refused(swift: Agency) -> None:
    request = pb.ListUnitsRequest(agency_id=str(swift.id), page_size=-1)
    answer = await refused(swift.silo.units.ListUnits(request, metadata=swift.dispatcher))
    assert (answer.code, answer.fields) == (Code.INVALID_ARGUMENT, ["page_size"])


async def test_an_unknown_unit_reports_no_place(swift: Agency) -> None:
    request = pb.ReportLocationRequest(
        agency_id=str(swift.id),
        unit_id=str(uuid4()),
        location=ALTOONA,
        fix_time=timestamp(utc_now()),
    )
    answer = await refused(
        swift.silo.units.ReportLocation(iter([request]), metadata=swift.dispatcher)
    )
    assert answer.code == Code.NOT_FOUND
