"""Hospitals come from Center's registry, once; their name travels with their facilities."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.center.events.v1 import services_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import facilities_pb2, hospitals_pb2, sessions_pb2, sessions_pb2_grpc

from chassis.clock import timestamp
from tests.support.front_desk import PASSWORD
from tests.support.hospital_silo import HospitalSilo, hospital_silo, refused, soon
from tests.support.hospital_trips import Ward, ward


@pytest.fixture
async def silo(hospital_database: str) -> AsyncIterator[HospitalSilo]:
    async with hospital_silo(hospital_database) as opened:
        yield opened


@pytest.fixture
async def mercy(silo: HospitalSilo) -> Ward:
    return await ward(silo)


def registration(
    hospital_id: UUID, text: str = "t", email: str = "a@b.example"
) -> services_pb2.ServiceRegistered:
    return services_pb2.ServiceRegistered(
        service_id=str(uuid4()),
        service_type=words.SERVICE_TYPE_HOSPITAL,
        external_id=str(hospital_id),
        service_name="Nason",
        contact_email=email,
        invitation_hash=hashlib.sha256(text.encode()).digest(),
        invitation_expire_time=timestamp(soon(days=7)),
        registry_version=1,
    )


async def test_a_registered_hospital_is_provisioned_once_and_its_admin_logs_in(
    silo: HospitalSilo,
) -> None:
    hospital_id, token = uuid4(), "x" * 43
    registered = registration(hospital_id, token)
    await silo.hear(registered)
    await silo.hear(registered)
    assert silo.events("hospitals/%") == [("HospitalProvisioned", 1)]
    sessions = sessions_pb2_grpc.SessionServiceStub(silo.channel)
    redeem = sessions_pb2.RedeemOneTimeTokenRequest(
        email="a@b.example", token=token, new_password=PASSWORD
    )
    await sessions.RedeemOneTimeToken(redeem, timeout=20)
    login = sessions_pb2.CreateSessionRequest(email="a@b.example", password=PASSWORD)
    opened = await sessions.CreateSession(login, timeout=20)
    admin = (("authorization", f"Bearer {opened.access_token}"),)
    request = hospitals_pb2.GetHospitalRequest(hospital_id=str(hospital_id))
    found = await silo.hospitals.GetHospital(request, metadata=admin)
    assert (found.hospital.name, found.hospital.status) == ("Nason", words.REGISTRY_STATUS_ACTIVE)


async def test_two_hospitals_may_name_one_contact(silo: HospitalSilo) -> None:
    first, second = uuid4(), uuid4()
    await silo.hear(registration(first), registration(second))
    assert len(silo.events("hospitals/%")) == 2
    assert silo.sql("SELECT count(*) FROM hospital_user") == [(1,)]


async def test_agencies_are_not_ours(silo: HospitalSilo) -> None:
    registered = registration(uuid4())
    registered.service_type = words.SERVICE_TYPE_EMS_AGENCY
    await silo.hear(registered)
    assert silo.sql("SELECT count(*) FROM hospital") == [(0,)]


async def test_standing_follows_the_registry_and_never_goes_back(silo: HospitalSilo) -> None:
    hospital_id = uuid4()
    await silo.hear(registration(hospital_id))
    known: dict[str, Any] = {
        "service_type": words.SERVICE_TYPE_HOSPITAL,
        "external_id": str(hospital_id),
    }
    suspended = services_pb2.ServiceSuspended(**known, registry_version=2)
    reinstated = services_pb2.ServiceReinstated(**known, registry_version=3)
    await silo.hear(suspended)
    assert silo.sql("SELECT status FROM hospital") == [("SUSPENDED",)]
    await silo.hear(reinstated, suspended)
    assert silo.sql("SELECT status FROM hospital") == [("ACTIVE",)]


async def test_a_new_name_reaches_the_directory(mercy: Ward) -> None:
    get = hospitals_pb2.GetHospitalRequest(hospital_id=mercy.hospital_id)
    found = await mercy.silo.hospitals.GetHospital(get, metadata=mercy.staff)
    update = hospitals_pb2.UpdateHospitalRequest(
        hospital_id=mercy.hospital_id,
        hospital=hospitals_pb2.Hospital(name="Grace"),
        update_mask=FieldMask(paths=["name"]),
        etag=found.hospital.etag,
        request_id=str(uuid4()),
    )
    await mercy.silo.hospitals.UpdateHospital(update, metadata=mercy.admin)
    listed = await mercy.silo.facilities.ListFacilityDirectory(
        facilities_pb2.ListFacilityDirectoryRequest(hospital_id=mercy.hospital_id),
        metadata=mercy.staff,
    )
    assert {each.hospital_name for each in listed.facilities} == {"Grace"}
    assert mercy.silo.events(f"facilities/{mercy.origin}")[-1] == ("FacilityChanged", 2)


async def test_only_the_center_lists_hospitals(mercy: Ward) -> None:
    request = hospitals_pb2.ListHospitalsRequest()
    told = await refused(mercy.silo.hospitals.ListHospitals(request, metadata=mercy.admin))
    assert told.code is grpc.StatusCode.PERMISSION_DENIED
    center = mercy.silo.user_of("center", "CENTER_COORDINATOR")
    listed = await mercy.silo.hospitals.ListHospitals(request, metadata=center)
    assert [each.id for each in listed.hospitals] == [mercy.hospital_id]
    for status, ids in (
        (words.REGISTRY_STATUS_ACTIVE, [mercy.hospital_id]),
        (words.REGISTRY_STATUS_SUSPENDED, []),
    ):
        request.filter.CopyFrom(hospitals_pb2.HospitalFilter(statuses=[status]))
        listed = await mercy.silo.hospitals.ListHospitals(request, metadata=center)
        assert [each.id for each in listed.hospitals] == ids
