"""What a new, changed or reopened trip is made from: its ends, its offers, its first values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis import ids
from chassis.unit_of_work import UnitOfWork
from hospital_svc.domain import needs, offers
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.messages import transport_requests as messages
from hospital_svc.repositories import agency_preferences, facility_directory, hospitals

ALL_FIELDS = frozenset(pb.TransportRequest.DESCRIPTOR.fields_by_name)


async def refuse_unless_active(uow: UnitOfWork, hospital_id: UUID) -> None:
    hospital = await hospitals.get(uow, hospital_id)
    needs.refuse_unless_active(hospital.status)


async def ends(
    uow: UnitOfWork, hospital_id: UUID, given: pb.TransportRequest
) -> Mapping[str, UUID]:
    """Return the columns of the trip's ends."""
    origin, destination = UUID(given.origin_facility_id), UUID(given.destination_facility_id)
    places = await facility_directory.places(uow, origin, destination)
    return needs.ends(hospital_id, places.get(origin), places.get(destination))


async def new_ends(
    uow: UnitOfWork, trip: TransportRequest, given: pb.TransportRequest, named: Collection[str]
) -> Mapping[str, UUID]:
    """Return the columns of a trip's ends of which an update sets those that are named."""
    whole = pb.TransportRequest()
    for name in messages.ENDS:
        value = getattr(given, name) if name in named else str(getattr(trip, name))
        setattr(whole, name, value)
    return await ends(uow, trip.hospital_id, whole)


async def new(
    uow: UnitOfWork,
    hospital_id: UUID,
    given: pb.TransportRequest,
    ends: Mapping[str, Any],
    *,
    created_by_id: UUID,
    at: datetime,
) -> tuple[TransportRequest, Plan]:
    """Make a trip of what was asked, and plan who is offered it."""
    asked = messages.columns(given, ALL_FIELDS)
    needs.refuse_unless_ahead(asked["ready_at"], asked["latest_pickup_at"], at)
    plan = offers.plan(
        asked["offer_mode"],
        asked["priority"],
        await agency_preferences.list_active(uow, hospital_id),
        latest_pickup_at=asked["latest_pickup_at"],
        at=at,
    )
    trip = TransportRequest(
        hospital_id=hospital_id,
        id=ids.new(),
        trip_number=needs.trip_number(at),
        **asked,
        **ends,
        offer_expires_at=plan.offer_expires_at,
        requested_at=at,
        created_by_id=created_by_id,
        created_at=at,
        updated_at=at,
    )
    return trip, plan


async def again(uow: UnitOfWork, trip: TransportRequest, *, at: datetime) -> Plan:
    """Plan the offers of a trip that its agency lost."""
    return offers.plan(
        trip.offer_mode,
        trip.priority,
        await agency_preferences.list_active(uow, trip.hospital_id),
        latest_pickup_at=trip.latest_pickup_at,
        at=at,
    )
