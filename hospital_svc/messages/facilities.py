"""Facilities on the wire: a hospital's own, and the directory of all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import facilities_pb2 as events_pb
from medport.hospital.v1 import facilities_pb2 as pb

from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.vocabulary import CareCapability, FacilityType
from chassis.wire import member, names_of, number, place
from hospital_svc.domain.facilities import Facility, Filter
from hospital_svc.domain.facility_directory import DirectoryFacility

ALL_FIELDS = frozenset(pb.HospitalFacility.DESCRIPTOR.fields_by_name)


def care(stored: Collection[str]) -> list[Any]:
    return [number(words.CareCapability, CareCapability(each)) for each in stored]


def facility(of: Facility) -> pb.HospitalFacility:
    return pb.HospitalFacility(
        id=str(of.id),
        hospital_id=str(of.hospital_id),
        name=of.name,
        type=number(words.FacilityType, of.type),
        address=of.address,
        city=of.city,
        state=of.state,
        zip_code=of.zip_code,
        location=place(of.latitude, of.longitude),
        phone=of.phone or "",
        email=of.email or "",
        is_active=of.is_active,
        create_time=timestamp(of.created_at),
        update_time=timestamp(of.updated_at),
        etag=str(of.row_version),
        operating_hours=[pb.OpeningPeriod(**each) for each in of.operating_hours],
        capabilities=care(of.capabilities),
    )


def columns(given: pb.HospitalFacility, named: Collection[str]) -> dict[str, Any]:
    """Return the columns behind the fields of ``given`` that are named."""
    plain = ("name", "address", "city", "state", "zip_code")
    found: dict[str, Any] = {name: getattr(given, name) for name in plain if name in named}
    found |= {name: getattr(given, name) or None for name in ("phone", "email") if name in named}
    if "type" in named:
        found["type"] = member(FacilityType, words.FacilityType, given.type)
    if "location" in named:
        found["latitude"], found["longitude"] = given.location.latitude, given.location.longitude
    if "capabilities" in named:
        found["capabilities"] = _care(given.capabilities)
    if "operating_hours" in named:
        found["operating_hours"] = [_period(each) for each in given.operating_hours]
    return found


def added(given: pb.HospitalFacility, *, hospital_id: UUID, id: UUID, at: datetime) -> Facility:
    """Make a new facility of what was asked; it is open."""
    return Facility(
        hospital_id=hospital_id,
        id=id,
        **columns(given, ALL_FIELDS),
        is_active=True,
        created_at=at,
        updated_at=at,
        row_version=1,
    )


def _care(given: Sequence[int]) -> list[str]:
    return names_of(CareCapability, words.CareCapability, given)


def _period(given: pb.OpeningPeriod) -> dict[str, int]:
    names = ("iso_day", "open_minutes", "close_minutes")
    return {name: getattr(given, name) for name in names}


def wanted(given: pb.FacilityFilter) -> Filter:
    return Filter(
        types=[member(FacilityType, words.FacilityType, each) for each in given.types],
        capabilities=_care(given.capabilities),
        active_only=given.active_only,
    )


def directory_facility(of: DirectoryFacility) -> pb.DirectoryFacility:
    return pb.DirectoryFacility(
        id=str(of.facility_id),
        hospital_id=str(of.hospital_id),
        hospital_name=of.hospital_name,
        name=of.name,
        type=number(words.FacilityType, of.type),
        address=of.address,
        city=of.city,
        state=of.state,
        zip_code=of.zip_code,
        location=place(of.latitude, of.longitude),
        capabilities=care(of.capabilities),
        is_active=of.is_active,
    )


def changed(of: DirectoryFacility) -> Announcement:
    """Announce a facility as the directory now has it."""
    return _about(of, events_pb.FacilityChanged(facility=_values(of)))


def shown(of: DirectoryFacility) -> Announcement:
    return _about(of, events_pb.FacilitySnapshot(facility=_values(of)))


def _values(of: DirectoryFacility) -> events_pb.Facility:
    return events_pb.Facility(
        facility_id=str(of.facility_id),
        hospital_id=str(of.hospital_id),
        hospital_name=of.hospital_name,
        name=of.name,
        type=number(words.FacilityType, of.type),
        address=of.address,
        city=of.city,
        state=of.state,
        zip_code=of.zip_code,
        location=place(of.latitude, of.longitude),
        capabilities=care(of.capabilities),
        is_active=of.is_active,
        facility_version=of.facility_version,
    )


def _about(of: DirectoryFacility, payload: Message) -> Announcement:
    return Announcement(
        event=payload,
        subject=f"facilities/{of.facility_id}",
        subject_version=of.facility_version,
        audience=["silo:ems", "silo:center", "role:center_admin", f"hospital:{of.hospital_id}"],
    )
