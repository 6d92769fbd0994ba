"""Preferences and the directory of agencies on the wire."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import agencies_pb2 as ems
from medport.hospital.v1 import agency_preferences_pb2 as pb

from chassis.clock import timestamp
from chassis.vocabulary import Capability, RegistryStatus, TransportLevel
from chassis.wire import any_of, member, names_of, number, place
from hospital_svc.domain.agency_directory import DirectoryAgency, Filter
from hospital_svc.domain.agency_preferences import AgencyPreference, Shown


def preference(of: Shown) -> pb.HospitalAgencyPreference:
    row = of.preference
    return pb.HospitalAgencyPreference(
        id=str(row.id),
        hospital_id=str(row.hospital_id),
        agency_id=str(row.agency_id),
        is_active=row.is_active,
        preference_order=row.preference_order,
        notes=row.notes or "",
        agency_name=of.agency_name or "",
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        etag=str(row.row_version),
    )


def columns(given: pb.HospitalAgencyPreference, named: Collection[str]) -> dict[str, Any]:
    """Return the columns that an update sets; an activity that is not said is on."""
    every = {
        "is_active": given.is_active if given.HasField("is_active") else True,
        "preference_order": given.preference_order,
        "notes": given.notes or None,
    }
    return {name: value for name, value in every.items() if name in named}


def added(given: pb.HospitalAgencyPreference, **known: Any) -> AgencyPreference:  # noqa: ANN401 - columns
    every = columns(given, {"is_active", "preference_order", "notes"})
    return AgencyPreference(agency_id=UUID(given.agency_id), row_version=1, **every, **known)


def wanted(given: pb.DirectoryAgencyFilter) -> Filter:
    return Filter(
        registry_statuses=any_of(RegistryStatus, words.RegistryStatus, given.registry_statuses),
        levels=names_of(TransportLevel, words.TransportLevel, given.levels),
        capabilities=names_of(Capability, words.Capability, given.required_capabilities),
    )


def directory_agency(of: DirectoryAgency) -> pb.DirectoryAgency:
    return pb.DirectoryAgency(
        id=str(of.agency_id),
        name=of.name,
        phone=of.phone or "",
        city=of.city or "",
        state=of.state or "",
        location=place(of.latitude, of.longitude),
        levels=[number(words.TransportLevel, TransportLevel(each)) for each in of.levels],
        capabilities=[number(words.Capability, Capability(each)) for each in of.capabilities],
        registry_status=number(words.RegistryStatus, of.registry_status),
    )


def announced_agency(of: ems.AgencyUpdated) -> DirectoryAgency:
    """Take an agency over, as the EMS silo announced it."""
    located = of.HasField("location")
    return DirectoryAgency(
        agency_id=UUID(of.agency_id),
        name=of.name,
        phone=of.phone or None,
        city=of.city or None,
        state=of.state or None,
        latitude=of.location.latitude if located else None,
        longitude=of.location.longitude if located else None,
        levels=[member(TransportLevel, words.TransportLevel, each) for each in of.levels],
        capabilities=[member(Capability, words.Capability, each) for each in of.capabilities],
        registry_status=member(RegistryStatus, words.RegistryStatus, of.registry_status),
        registry_version=of.registry_version,
        agency_version=of.agency_version,
    )
