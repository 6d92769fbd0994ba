"""Furnishes hospitals: their users, facilities and preferred agencies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from google.type.latlng_pb2 import LatLng
from medport.center.v1 import services_pb2 as services
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import agency_preferences_pb2 as preferences
from medport.hospital.v1 import facilities_pb2 as facilities
from medport.hospital.v1 import users_pb2 as users
from medport.hospital.v1.agency_preferences_pb2_grpc import AgencyPreferenceServiceStub
from medport.hospital.v1.facilities_pb2_grpc import FacilityServiceStub
from medport.hospital.v1.users_pb2_grpc import UserServiceStub

from mesh.demo.admission import Admission
from mesh.demo.callers import Caller
from mesh.demo.cast import HospitalPart
from mesh.demo.dataset import Facility

_MANAGERS = 2


def domain_of(name: str) -> str:
    """Return an e-mail domain that nobody can have (RFC 2606)."""
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.example"


async def admit(admission: Admission, name: str, places: Sequence[Facility]) -> HospitalPart:
    """Register one hospital and make everything it begins with."""
    domain = domain_of(name)
    admin_email = f"admin@{domain}"
    configuration = services.ServiceConfiguration(
        contact_email=admin_email, hospital=services.HospitalProfile()
    )
    service, token = await admission.register(name, words.SERVICE_TYPE_HOSPITAL, configuration)
    admin = await admission.redeem("hospital", admin_email, token)
    emails = [f"case.manager.{number}@{domain}" for number in range(1, _MANAGERS + 1)]
    part = HospitalPart(name, service.external_id, admin_email, emails)
    for email in emails:
        await _manager(admission, admin, part.id, email)
    stub = FacilityServiceStub(admission.channel)
    for place in places:
        request = facilities.CreateFacilityRequest(
            hospital_id=part.id,
            facility=_facility(place),
            request_id=admission.request_id(f"facility/{place.key}"),
        )
        part.facilities[place.key] = (await admin.demand(stub.CreateFacility, request)).facility.id
    return part


async def prefer(admission: Admission, part: HospitalPart, agencies: Sequence[str]) -> None:
    """Note the agencies that a hospital asks first, once its directory knows them."""
    admin = admission.caller("hospital", part.admin)
    stub = AgencyPreferenceServiceStub(admission.channel)
    for order, agency_id in enumerate(agencies, start=1):
        request = preferences.CreateAgencyPreferenceRequest(
            hospital_id=part.id,
            agency_preference=preferences.HospitalAgencyPreference(
                agency_id=agency_id, preference_order=order
            ),
            request_id=admission.request_id(f"preference/{part.name}/{order}"),
        )
        await admin.demand(stub.CreateAgencyPreference, request)


async def until_directory(
    admission: Admission, part: HospitalPart, facility_count: int, agency_count: int
) -> None:
    """Wait until the hospital silo knows every facility and every agency."""
    admin = admission.caller("hospital", part.admin)
    places = FacilityServiceStub(admission.channel)
    agencies = AgencyPreferenceServiceStub(admission.channel)
    known_places = facilities.ListFacilityDirectoryRequest(hospital_id=part.id, page_size=1000)
    known_agencies = preferences.ListAgencyDirectoryRequest(hospital_id=part.id, page_size=1000)

    async def complete() -> bool:
        here = (await admin.demand(places.ListFacilityDirectory, known_places)).facilities
        there = (await admin.demand(agencies.ListAgencyDirectory, known_agencies)).agencies
        return len(here) >= facility_count and len(there) >= agency_count

    while not await complete():  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(0.1)


async def _manager(admission: Admission, admin: Caller, hospital_id: str, email: str) -> None:
    request = users.CreateUserRequest(
        hospital_id=hospital_id,
        request_id=admission.request_id(f"user/{email}"),
        hospital_user=users.HospitalUser(
            email=email, name="Case manager", role=users.HOSPITAL_USER_ROLE_CASE_MANAGER
        ),
    )
    created = await admin.demand(UserServiceStub(admission.channel).CreateUser, request)
    await admission.redeem("hospital", email, created.invitation_token)


def _facility(place: Facility) -> facilities.HospitalFacility:
    capabilities = [words.CareCapability.Value(f"CARE_CAPABILITY_{c}") for c in place.capabilities]
    return facilities.HospitalFacility(
        name=place.name,
        type=words.FacilityType.Value(f"FACILITY_TYPE_{place.type}"),
        address="1 Hospital Drive",
        city=place.city,
        state=place.state,
        zip_code=place.zip_code,
        location=LatLng(latitude=place.latitude, longitude=place.longitude),
        capabilities=capabilities,
    )
