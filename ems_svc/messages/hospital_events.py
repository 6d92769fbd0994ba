"""What the hospital silo announces, as this silo's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.hospital.events.v1 import facilities_pb2, transport_requests_pb2

from chassis.clock import instant
from chassis.sql import columns
from chassis.vocabulary import (
    AgeBand,
    Capability,
    CareCapability,
    FacilityType,
    Priority,
    WeightBand,
)
from chassis.wire import member, names_of
from ems_svc.domain.awards import Award
from ems_svc.domain.facilities import Facility
from ems_svc.domain.offered_trips import Need, OfferedTrip, OfferState
from ems_svc.messages import words

Created = transport_requests_pb2.TransportRequestCreated


def offered_trip(event: Created) -> OfferedTrip:
    return OfferedTrip(
        hospital_id=UUID(event.trip.hospital_id),
        transport_request_id=UUID(event.trip.transport_request_id),
        trip_number=event.trip_number,
        **columns(need(event.need)),
        offers=offers(event.offers),
        broadcast_at=instant(event.broadcast_time) if event.HasField("broadcast_time") else None,
        offer_expires_at=instant(event.offer_expire_time),
        state=OfferState.OPEN,
        award_token=None,
        awarded_agency_id=None,
        awarded_bid_id=None,
        confirm_deadline_at=None,
        material_version=event.trip.material_version,
        trip_version=event.trip.trip_version,
    )


def reopened(
    trip: OfferedTrip, event: transport_requests_pb2.TransportRequestReopened
) -> OfferedTrip:
    broadcast = instant(event.broadcast_time) if event.HasField("broadcast_time") else None
    return replace(
        trip,
        state=OfferState.OPEN,
        offers=offers(event.offers),
        broadcast_at=broadcast,
        offer_expires_at=instant(event.offer_expire_time),
        material_version=event.trip.material_version,
    )


def updated(
    trip: OfferedTrip, event: transport_requests_pb2.TransportRequestUpdated
) -> OfferedTrip:
    return replace(
        trip,
        **columns(need(event.need)),
        offer_expires_at=instant(event.offer_expire_time),
        material_version=event.trip.material_version,
    )


def need(given: transport_requests_pb2.TripNeed) -> Need:
    return Need(
        transport_level=words.level_of(given.transport_level),
        priority=member(Priority, vocabulary_pb2.Priority, given.priority),
        required_capabilities=names_of(
            Capability, vocabulary_pb2.Capability, given.required_capabilities
        ),
        age_band=member(AgeBand, vocabulary_pb2.AgeBand, given.age_band),
        weight_band=member(WeightBand, vocabulary_pb2.WeightBand, given.weight_band),
        origin_facility_id=UUID(given.origin_facility_id),
        destination_facility_id=UUID(given.destination_facility_id),
        ready_at=instant(given.ready_time),
        latest_pickup_at=instant(given.latest_pickup_time),
    )


def offers(given: Sequence[transport_requests_pb2.TripOffer]) -> dict[str, Any]:
    return {each.agency_id: [each.wave, instant(each.visible_time).isoformat()] for each in given}


def award(event: transport_requests_pb2.TransportRequestAwarded) -> Award:
    return Award(
        award_token=UUID(event.award_token),
        bid_id=UUID(event.bid_id),
        agency_id=UUID(event.agency_id),
        confirm_deadline_at=instant(event.confirm_deadline_time),
        material_version=event.trip.material_version,
    )


def facility(event: facilities_pb2.FacilityChanged) -> Facility:
    given = event.facility
    return Facility(
        facility_id=UUID(given.facility_id),
        hospital_id=UUID(given.hospital_id),
        hospital_name=given.hospital_name,
        name=given.name,
        type=member(FacilityType, vocabulary_pb2.FacilityType, given.type),
        address=given.address,
        city=given.city,
        state=given.state,
        zip_code=given.zip_code,
        latitude=given.location.latitude,
        longitude=given.location.longitude,
        capabilities=names_of(CareCapability, vocabulary_pb2.CareCapability, given.capabilities),
        is_active=given.is_active,
        facility_version=given.facility_version,
    )


def conflict_kind(event: transport_requests_pb2.TripConflictDetected) -> str:
    """Say in words for users what does not fit."""
    kind = transport_requests_pb2.TripConflictKind.Name(event.kind)
    return kind.removeprefix("TRIP_CONFLICT_KIND_").replace("_", " ").lower()
