"""Furnishes agencies: their circle, units, dispatcher and crew."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask
from google.type.latlng_pb2 import LatLng
from medport.center.v1 import services_pb2 as services
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import agencies_pb2 as agencies
from medport.ems.v1 import service_areas_pb2 as areas
from medport.ems.v1 import units_pb2 as units
from medport.ems.v1 import users_pb2 as users
from medport.ems.v1.agencies_pb2_grpc import AgencyServiceStub
from medport.ems.v1.service_areas_pb2_grpc import ServiceAreaServiceStub
from medport.ems.v1.units_pb2_grpc import UnitServiceStub
from medport.ems.v1.users_pb2_grpc import UserServiceStub

from mesh.demo.admission import Admission
from mesh.demo.callers import Caller
from mesh.demo.cast import AgencyPart
from mesh.demo.dataset import Agency, Unit

_TYPES = {
    "OTHER": words.UNIT_TYPE_WHEELCHAIR,
    "BLS": words.UNIT_TYPE_BLS,
    "ALS": words.UNIT_TYPE_ALS,
    "CCT": words.UNIT_TYPE_CCT,
}


async def admit(admission: Admission, agency: Agency) -> AgencyPart:
    """Register one agency and make everything it begins with."""
    domain = f"{agency.key}.example"
    configuration = services.ServiceConfiguration(
        contact_email=f"admin@{domain}", agency=_profile(agency)
    )
    service, token = await admission.register(
        agency.name, words.SERVICE_TYPE_EMS_AGENCY, configuration
    )
    admin = await admission.redeem("ems", f"admin@{domain}", token)
    agency_id = service.external_id
    await _describe(admission, admin, agency_id, agency)
    await _area(admission, admin, agency_id, agency)
    ids = [await _unit(admission, admin, agency_id, agency, unit) for unit in agency.units]
    part = AgencyPart(
        key=agency.key,
        id=agency_id,
        service_id=service.id,
        admin=f"admin@{domain}",
        dispatcher=f"dispatcher@{domain}",
        crew=f"crew@{domain}",
        crew_unit=ids[-1],
    )
    dispatcher = users.EMS_AGENCY_USER_ROLE_DISPATCHER
    await _user(admission, admin, part, users.EmsAgencyUser(email=part.dispatcher, role=dispatcher))
    crew = users.EmsAgencyUser(
        email=part.crew, role=users.EMS_AGENCY_USER_ROLE_CREW, unit_id=part.crew_unit
    )
    await _user(admission, admin, part, crew)
    return part


def _profile(agency: Agency) -> services.AgencyProfile:
    return services.AgencyProfile(
        contact_name="Station office",
        phone="555-0100",  # of the range that is kept for fiction
        address="1 Station Road",
        city=agency.city,
        state=agency.state,
        zip_code="15001",
        location=_place(agency),
    )


def _place(agency: Agency) -> LatLng:
    return LatLng(latitude=agency.latitude, longitude=agency.longitude)


async def _describe(admission: Admission, admin: Caller, agency_id: str, agency: Agency) -> None:
    stub = AgencyServiceStub(admission.channel)
    asked = agencies.GetAgencyRequest(agency_id=agency_id)
    current = (await admin.demand(stub.GetAgency, asked)).agency
    levels = sorted({unit.level for unit in agency.units})
    equipment = sorted({each for unit in agency.units for each in unit.capabilities})
    wanted = agencies.EmsAgency(
        levels=[words.TransportLevel.Value(f"TRANSPORT_LEVEL_{level}") for level in levels],
        capabilities=[words.Capability.Value(f"CAPABILITY_{each}") for each in equipment],
    )
    if list(current.levels) == sorted(wanted.levels) and current.capabilities:
        return  # an earlier, torn admission came this far
    request = agencies.UpdateAgencyRequest(
        agency_id=agency_id,
        agency=wanted,
        update_mask=FieldMask(paths=["levels", "capabilities"]),
        etag=current.etag,
        request_id=admission.request_id(f"agency/{agency.key}"),
    )
    await admin.demand(stub.UpdateAgency, request)


async def _area(admission: Admission, admin: Caller, agency_id: str, agency: Agency) -> None:
    request = areas.CreateServiceAreaRequest(
        agency_id=agency_id,
        service_area=areas.ServiceArea(
            name=f"Around {agency.city}",
            center=_place(agency),
            radius_miles=agency.radius_miles,
            is_primary=True,
        ),
        request_id=admission.request_id(f"area/{agency.key}"),
    )
    await admin.demand(ServiceAreaServiceStub(admission.channel).CreateServiceArea, request)


async def _unit(
    admission: Admission, admin: Caller, agency_id: str, agency: Agency, unit: Unit
) -> str:
    request = units.CreateUnitRequest(
        agency_id=agency_id,
        unit=units.Unit(
            unit_number=unit.number,
            type=_TYPES[unit.level],
            crew_level=words.TransportLevel.Value(f"TRANSPORT_LEVEL_{unit.level}"),
            capabilities=[words.Capability.Value(f"CAPABILITY_{c}") for c in unit.capabilities],
        ),
        request_id=admission.request_id(f"unit/{agency.key}/{unit.number}"),
    )
    return (await admin.demand(UnitServiceStub(admission.channel).CreateUnit, request)).unit.id


async def _user(
    admission: Admission, admin: Caller, part: AgencyPart, user: users.EmsAgencyUser
) -> None:
    user.name = "Crew" if user.unit_id else "Dispatcher"
    request = users.CreateUserRequest(
        agency_id=part.id,
        request_id=admission.request_id(f"user/{user.email}"),
        ems_agency_user=user,
    )
    created = await admin.demand(UserServiceStub(admission.channel).CreateUser, request)
    await admission.redeem("ems", user.email, created.invitation_token)
