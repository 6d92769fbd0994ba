"""A trip as one agency may see it, and which agencies may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.vocabulary import AgeBand, Priority, TransportLevel, WeightBand
from ems_svc.domain.distances import Place
from ems_svc.domain.offered_trips import Offer, OfferedTrip
from ems_svc.domain.service_areas import ServiceArea
from ems_svc.domain.units import Unit


class AvailableTripState(StrEnum):
    OPEN = "OPEN"
    WON = "WON"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableTrip:
    agency_id: UUID
    transport_request_id: UUID
    hospital_id: UUID
    trip_number: str
    wave: int
    visible_at: datetime
    offer_expires_at: datetime
    state: AvailableTripState
    transport_level: TransportLevel
    priority: Priority
    required_capabilities: list[str]
    age_band: AgeBand
    weight_band: WeightBand
    origin_facility_id: UUID
    destination_facility_id: UUID
    ready_at: datetime
    latest_pickup_at: datetime
    loaded_miles: float
    material_version: int


@dataclass(frozen=True, slots=True)
class Offering:
    """A trip on its way to the agencies: where it begins, how long it is, who was named."""

    trip: OfferedTrip
    origin: Place
    loaded_miles: float
    named: Mapping[UUID, Offer]

    @property
    def broadcast(self) -> Offer | None:
        if self.trip.broadcast_at is None:
            return None
        wave = max((offer.wave + 1 for offer in self.named.values()), default=0)
        return Offer(wave, self.trip.broadcast_at)

    def to(
        self,
        agency_id: UUID,
        *,
        is_active: bool,
        units: Iterable[Unit],
        areas: Iterable[ServiceArea],
    ) -> AvailableTrip | None:
        """Return what the agency may see, or None when the trip is nothing for it.

        A named preference overrides the area, never the level.
        """
        trip = self.trip
        named = self.named.get(agency_id)
        if not is_active or not any(
            unit.qualifies(trip.transport_level, trip.required_capabilities) for unit in units
        ):
            return None
        if named is None and not any(area.covers(self.origin) for area in areas):
            return None
        offer = named or self.broadcast
        return None if offer is None else self._visible(agency_id, offer)

    def _visible(self, agency_id: UUID, offer: Offer) -> AvailableTrip:
        trip = self.trip
        return AvailableTrip(
            agency_id=agency_id,
            transport_request_id=trip.transport_request_id,
            hospital_id=trip.hospital_id,
            trip_number=trip.trip_number,
            wave=offer.wave,
            visible_at=offer.visible_at,
            offer_expires_at=trip.offer_expires_at,
            state=AvailableTripState.OPEN,
            transport_level=trip.transport_level,
            priority=trip.priority,
            required_capabilities=trip.required_capabilities,
            age_band=trip.age_band,
            weight_band=trip.weight_band,
            origin_facility_id=trip.origin_facility_id,
            destination_facility_id=trip.destination_facility_id,
            ready_at=trip.ready_at,
            latest_pickup_at=trip.latest_pickup_at,
            loaded_miles=self.loaded_miles,
            material_version=trip.material_version,
        )


def differences(
    known: Mapping[UUID, AvailableTrip], now: Iterable[AvailableTrip]
) -> tuple[list[AvailableTrip], list[UUID]]:
    """Return the open trips that are new or changed, and the ids of those that are open no more."""
    current = {trip.transport_request_id: trip for trip in now}
    changed = [trip for id, trip in current.items() if known.get(id) != trip]
    return changed, [id for id in known if id not in current]
