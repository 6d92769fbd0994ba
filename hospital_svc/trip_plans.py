"""What a new, changed or reopened trip is made from: its ends, its offers, its first values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis import auth, ids
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import TripLeg
from hospital_svc import audit, decisions
from hospital_svc.domain import needs, offers
from hospital_svc.domain.needs import Place
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.messages import transport_requests as messages
from hospital_svc.repositories import agency_preferences, facility_directory, hospitals

ALL_FIELDS = frozenset(pb.TransportRequest.DESCRIPTOR.fields_by_name)


def asked(given: pb.TransportRequest) -> dict[str, Any]:
    """Return the columns of the trip that a caller describes, its ends among them."""
    ends = {name: UUID(getattr(given, name)) for name in messages.ENDS}
    return messages.columns(given, ALL_FIELDS) | ends


async def request(
    uow: UnitOfWork,
    hospital_id: UUID,
    asked: Mapping[str, Any],
    *,
    at: datetime,
    within: str = needs.RESOURCE,
) -> pb.TransportRequest:
    """Ask for the trip whose columns ``asked`` names; return it as it now stands.

    ``within`` is where the caller named them.
    """
    needs.refuse_unless_active((await hospitals.get(uow, hospital_id)).status)
    leg = asked.get("leg", TripLeg.OUTBOUND)
    named = (asked["origin_facility_id"], asked["destination_facility_id"])
    found = {**asked, **await ends(uow, hospital_id, leg, *named, within=within)}
    ahead = asked["ready_at"], asked["latest_pickup_at"], at
    needs.refuse_unless_ahead(*ahead, within=within)
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
        **found,
        offer_expires_at=plan.offer_expires_at,
        requested_at=at,
        created_by_id=auth.caller().user_id,
        created_at=at,
        updated_at=at,
    )
    await decisions.write_new(uow, needs.request(trip, plan, by=audit.actor()))
    await audit.note(uow, hospital_id, decisions.NOUN, trip.id, at=at)
    return messages.transport_request(trip)


async def ends(
    uow: UnitOfWork,
    hospital_id: UUID,
    leg: TripLeg,
    origin: UUID,
    destination: UUID,
    *,
    within: str,
) -> Mapping[str, UUID]:
    """Return the columns of a trip's ends."""
    places = await facility_directory.places(uow, origin, destination)
    start, goal = places.get(origin), places.get(destination)
    return needs.ends(hospital_id, leg, start, goal, within=within)


async def new_ends(
    uow: UnitOfWork, trip: TransportRequest, named: Mapping[str, str], within: str = needs.RESOURCE
) -> Mapping[str, UUID]:
    """Return the columns of a trip's ends of which a change names some."""
    origin, destination = (
        UUID(named[name]) if name in named else getattr(trip, name) for name in messages.ENDS
    )
    return await ends(uow, trip.hospital_id, trip.leg, origin, destination, within=within)


async def elsewhere(
    uow: UnitOfWork, trip: TransportRequest, destination: UUID
) -> Mapping[str, UUID]:
    """Return the columns of a trip's ends when it leads to another place.

    Where it began does not matter any more: that facility may have closed since.
    """
    places = await facility_directory.places(uow, destination)
    start = Place(
        facility_id=trip.origin_facility_id, hospital_id=trip.origin_hospital_id, is_active=True
    )
    goal = places.get(destination)
    return needs.ends(trip.hospital_id, trip.leg, start, goal, within="")


async def again(uow: UnitOfWork, trip: TransportRequest, *, at: datetime) -> Plan:
    """Plan the offers of a trip that its agency lost."""
    return offers.plan(
        trip.offer_mode,
        trip.priority,
        await agency_preferences.list_active(uow, trip.hospital_id),
        latest_pickup_at=trip.latest_pickup_at,
        at=at,
    )
