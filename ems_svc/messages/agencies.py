"""Agencies, to and from the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from medport.center.events.v1 import services_pb2 as center
from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import agencies_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.vocabulary import Capability, RegistryStatus, TransportLevel
from chassis.wire import money, names_of, number, place
from ems_svc.domain.agencies import Agency
from ems_svc.domain.rates import AgencyRate
from ems_svc.domain.service_areas import ServiceArea
from ems_svc.messages import service_areas, words


def agency(
    value: Agency,
    rates: Mapping[TransportLevel, AgencyRate] | None = None,
    primary: ServiceArea | None = None,
) -> pb.EmsAgency:
    return pb.EmsAgency(
        id=str(value.agency_id),
        name=value.name,
        contact_name=value.contact_name or "",
        phone=value.phone,
        email=value.email,
        address=value.address,
        city=value.city,
        state=value.state,
        zip_code=value.zip_code,
        location=place(value.latitude, value.longitude),
        operating_hours=[pb.OperatingHours(**hours) for hours in value.operating_hours],
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
        levels=words.levels(value.levels),
        capabilities=words.capabilities(value.capabilities),
        status=number(vocabulary_pb2.RegistryStatus, value.status),
        is_active=value.is_active,
        service_area=service_areas.area(primary) if primary else None,
        pricing_structure=[rate_of(each) for each in (rates or {}).values()],
        added_by=str(value.added_by),
        add_time=timestamp(value.added_at),
        service_id=str(value.service_id),
    )


def values(given: pb.EmsAgency) -> dict[str, Any]:
    """Return what users may set, by the names of the agency's fields."""
    return {
        "name": given.name,
        "contact_name": given.contact_name or None,
        "phone": given.phone,
        "email": given.email,
        "address": given.address,
        "city": given.city,
        "state": given.state,
        "zip_code": given.zip_code,
        "latitude": given.location.latitude,
        "longitude": given.location.longitude,
        "operating_hours": [_hours(hours) for hours in given.operating_hours],
        "levels": names_of(TransportLevel, vocabulary_pb2.TransportLevel, given.levels),
        "capabilities": names_of(Capability, vocabulary_pb2.Capability, given.capabilities),
    }


def registered(event: center.ServiceRegistered) -> Agency:
    """Return the agency that Center registered; its standing begins as active."""
    profile, at = event.agency, instant(event.add_time)
    return Agency(
        agency_id=UUID(event.external_id),
        service_id=UUID(event.service_id),
        name=event.service_name,
        contact_name=profile.contact_name or None,
        phone=profile.phone,
        email=event.contact_email,
        address=profile.address,
        city=profile.city,
        state=profile.state,
        zip_code=profile.zip_code,
        latitude=profile.location.latitude,
        longitude=profile.location.longitude,
        operating_hours=[],
        levels=[],
        capabilities=[],
        status=RegistryStatus.ACTIVE,
        registry_version=event.registry_version,
        added_by=UUID(event.added_by),
        added_at=at,
        created_at=at,
        updated_at=at,
        row_version=1,
    )


def rate_of(rate: AgencyRate) -> pb.AgencyRate:
    return pb.AgencyRate(
        transport_level=words.level(rate.transport_level),
        base_amount=money(rate.base_amount, rate.currency_code),
        per_mile_amount=money(rate.per_mile_amount, rate.currency_code),
        is_default=rate.is_default,
        create_time=None if rate.is_default else timestamp(rate.created_at),
        update_time=None if rate.is_default else timestamp(rate.updated_at),
        etag=words.etag(rate.row_version),
    )


def _hours(hours: pb.OperatingHours) -> dict[str, int]:
    return {
        "day_of_week": hours.day_of_week,
        "open_minutes": hours.open_minutes,
        "close_minutes": hours.close_minutes,
    }
