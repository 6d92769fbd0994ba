"""Facilities: made by administrators, seen by everybody in the directory, announced to EMS."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import facilities_pb2 as pb

from tests.support.hospital_silo import refused
from tests.support.hospital_trips import Ward, a_facility

pytestmark = pytest.mark.asyncio(loop_scope="module")

Code = grpc.StatusCode


def creation(mercy: Ward, **changes: Any) -> pb.CreateFacilityRequest:
    return pb.CreateFacilityRequest(
        hospital_id=mercy.hospital_id, facility=a_facility(**changes), request_id=str(uuid4())
    )


async def open_ones(mercy: Ward) -> set[str]:
    return {each.id for each in await directory(mercy, filter={"active_only": True})}


async def directory(mercy: Ward, **asked: Any) -> list[pb.DirectoryFacility]:
    request = pb.ListFacilityDirectoryRequest(hospital_id=mercy.hospital_id, **asked)
    answer = await mercy.silo.facilities.ListFacilityDirectory(request, metadata=mercy.staff)
    return list(answer.facilities)


async def test_a_facility_is_announced_with_each_change(mercy: Ward) -> None:
    made = await mercy.add_facility(capabilities=[words.CARE_CAPABILITY_ICU], phone="555-0100")
    update = pb.UpdateFacilityRequest(
        hospital_id=mercy.hospital_id,
        facility_id=made.id,
        facility=pb.HospitalFacility(name="Renamed", location={"latitude": 1, "longitude": 2}),
        update_mask=FieldMask(paths=["name", "location", "phone"]),
        etag=made.etag,
        request_id=str(uuid4()),
    )
    changed = await mercy.silo.facilities.UpdateFacility(update, metadata=mercy.admin)
    assert (changed.facility.name, changed.facility.phone) == ("Renamed", "")
    assert changed.facility.capabilities == [words.CARE_CAPABILITY_ICU]
    assert mercy.silo.events(f"facilities/{made.id}") == [
        ("FacilityChanged", 1),
        ("FacilityChanged", 2),
    ]
    shown = {each.id: each for each in await directory(mercy)}
    assert (shown[made.id].name, shown[made.id].location.longitude) == ("Renamed", 2)
    stale = pb.UpdateFacilityRequest()
    stale.CopyFrom(update)
    stale.request_id = str(uuid4())
    told = await refused(mercy.silo.facilities.UpdateFacility(stale, metadata=mercy.admin))
    assert (told.code, told.reason) == (Code.ABORTED, "ETAG_MISMATCH")


async def test_a_closed_facility_opens_again_and_one_in_use_stays_open(mercy: Ward) -> None:
    spare = await mercy.add_facility()
    close = pb.DeactivateFacilityRequest(
        hospital_id=mercy.hospital_id, facility_id=spare.id, request_id=str(uuid4())
    )
    closed = await mercy.silo.facilities.DeactivateFacility(close, metadata=mercy.admin)
    assert not closed.facility.is_active
    assert spare.id not in {
        each.id for each in await directory(mercy, filter={"active_only": True})
    }
    again = pb.ReactivateFacilityRequest(
        hospital_id=mercy.hospital_id, facility_id=spare.id, request_id=str(uuid4())
    )
    opened = await mercy.silo.facilities.ReactivateFacility(again, metadata=mercy.admin)
    assert opened.facility.is_active
    await mercy.create()
    used = pb.DeactivateFacilityRequest(
        hospital_id=mercy.hospital_id, facility_id=mercy.origin, request_id=str(uuid4())
    )
    told = await refused(mercy.silo.facilities.DeactivateFacility(used, metadata=mercy.admin))
    assert (told.code, told.reason) == (Code.FAILED_PRECONDITION, "FACILITY_IN_USE")
    assert mercy.origin in {
        each.id for each in await directory(mercy, filter={"active_only": True})
    }


async def test_a_place_has_one_facility(mercy: Ward) -> None:
    await mercy.add_facility(name="North", address="1 Road")
    second = creation(mercy, name="NORTH", address="1 road")
    told = await refused(mercy.silo.facilities.CreateFacility(second, metadata=mercy.admin))
    assert (told.code, told.reason) == (Code.ALREADY_EXISTS, "FACILITY_EXISTS")


async def test_staff_read_and_do_not_write(mercy: Ward) -> None:
    told = await refused(
        mercy.silo.facilities.CreateFacility(creation(mercy), metadata=mercy.staff)
    )
    assert told.code is Code.PERMISSION_DENIED


async def test_another_hospitals_facility_is_in_the_directory_and_nowhere_else(mercy: Ward) -> None:
    stranger = uuid4()
    staff = await mercy.silo.login(hospital_id=stranger)
    request = pb.GetFacilityRequest(hospital_id=str(stranger), facility_id=mercy.origin)
    told = await refused(mercy.silo.facilities.GetFacility(request, metadata=staff))
    assert told.code is Code.NOT_FOUND
    listed = await mercy.silo.facilities.ListFacilities(
        pb.ListFacilitiesRequest(hospital_id=str(stranger)), metadata=staff
    )
    assert not listed.facilities
    shown = await mercy.silo.facilities.ListFacilityDirectory(
        pb.ListFacilityDirectoryRequest(hospital_id=str(stranger)), metadata=staff
    )
    theirs = {each.id for each in shown.facilities if each.hospital_id == mercy.hospital_id}
    assert theirs == {mercy.origin, mercy.destination}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"location": {"latitude": float("nan")}}, "facility.location"),
        ({"location": {"longitude": 181}}, "facility.location"),
        ({"location": None}, "facility.location"),
        ({"state": "Pennsylvania"}, "facility.state"),
        ({"zip_code": "1"}, "facility.zip_code"),
        ({"email": "nobody"}, "facility.email"),
        ({"name": ""}, "facility.name"),
        ({"type": 99}, "facility.type"),
        ({"capabilities": [1, 1]}, "facility.capabilities"),
    ],
)
async def test_bad_input_is_named(mercy: Ward, changes: dict[str, Any], field: str) -> None:
    told = await refused(
        mercy.silo.facilities.CreateFacility(creation(mercy, **changes), metadata=mercy.admin)
    )
    assert (told.code, told.fields) == (Code.INVALID_ARGUMENT, [field])


async def test_pages_meet_without_gap_and_tokens_serve_their_own_query(mercy: Ward) -> None:
    for _ in range(3):
        await mercy.add_facility()
    request, seen = pb.ListFacilitiesRequest(hospital_id=mercy.hospital_id, page_size=2), []
    while True:
        answer = await mercy.silo.facilities.ListFacilities(request, metadata=mercy.staff)
        seen += [each.id for each in answer.facilities]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert len(seen) == len(set(seen)) == 5
    for broken in (request.page_token[:-4] + "AAAA", "no token", request.page_token + "A"):
        request.page_token = broken
        told = await refused(mercy.silo.facilities.ListFacilities(request, metadata=mercy.staff))
        assert (told.code, told.reason) == (Code.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
    request = pb.ListFacilitiesRequest(hospital_id=mercy.hospital_id, page_size=-1)
    told = await refused(mercy.silo.facilities.ListFacilities(request, metadata=mercy.staff))
    assert told.fields == ["page_size"]
