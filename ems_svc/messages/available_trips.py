"""Trips as agencies see them, to the contract."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import available_trips_pb2 as pb

from chassis.clock import timestamp
from chassis.vocabulary import TransportLevel
from chassis.wire import money, number, place
from ems_svc.domain.available_trips import AvailableTrip, AvailableTripState
from ems_svc.domain.facilities import Facility
from ems_svc.domain.rates import AgencyRate, revenue_amount
from ems_svc.messages import words


def available_trip(
    value: AvailableTrip,
    facilities: Mapping[UUID, Facility],
    rates: Mapping[TransportLevel, AgencyRate],
) -> pb.AvailableTrip:
    """Show a trip; what is gone shows its number and level, and never to whom it went."""
    shown = pb.AvailableTrip(
        id=str(value.transport_request_id),
        agency_id=str(value.agency_id),
        trip_number=value.trip_number,
        state=number(pb.AvailableTripState, value.state),
        transport_level=words.level(value.transport_level),
        create_time=timestamp(value.visible_at),
        etag=words.etag(value.material_version),
    )
    if value.state is not AvailableTripState.UNAVAILABLE:
        shown.MergeFrom(_need(value, facilities, rates))
    return shown


def _need(
    value: AvailableTrip,
    facilities: Mapping[UUID, Facility],
    rates: Mapping[TransportLevel, AgencyRate],
) -> pb.AvailableTrip:
    revenue = revenue_amount(value.transport_level, value.priority, value.loaded_miles, rates)
    return pb.AvailableTrip(
        hospital_id=str(value.hospital_id),
        priority=number(vocabulary_pb2.Priority, value.priority),
        required_capabilities=words.capabilities(value.required_capabilities),
        age_band=number(vocabulary_pb2.AgeBand, value.age_band),
        weight_band=number(vocabulary_pb2.WeightBand, value.weight_band),
        origin=_facility(facilities.get(value.origin_facility_id)),
        destination=_facility(facilities.get(value.destination_facility_id)),
        ready_time=timestamp(value.ready_at),
        latest_pickup_time=timestamp(value.latest_pickup_at),
        offer_expire_time=timestamp(value.offer_expires_at),
        wave=value.wave,
        loaded_miles=value.loaded_miles,
        material_version=value.material_version,
        revenue_amount=money(revenue, "USD"),
    )


def _facility(facility: Facility | None) -> pb.TripFacility | None:
    if facility is None:
        return None
    return pb.TripFacility(
        facility_id=str(facility.facility_id),
        name=facility.name,
        city=facility.city,
        state=facility.state,
        location=place(facility.latitude, facility.longitude),
    )
