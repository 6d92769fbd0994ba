"""What the hospital silo shows to a consumer that rebuilds its copies: its rows as they stand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from medport.hospital.events.v1.signing_keys_pb2 import SigningKeyPublished, SigningKeySnapshot

from chassis import signing_keys
from chassis.outbox import Announcement
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import TripStatus
from hospital_svc.domain import offers
from hospital_svc.domain.offers import Plan, Preference
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.messages import events, facilities, hospitals
from hospital_svc.repositories import (
    agency_preferences,
    facility_directory,
    transport_requests,
)
from hospital_svc.repositories import hospitals as tenants
from hospital_svc.repositories.sessions import rows


async def current(uow: UnitOfWork) -> AsyncGenerator[Announcement, None]:
    """Yield every row that another silo may keep a copy of; what it refers to comes first."""
    for key in await rows.keys.own(uow):
        yield signing_keys.shown(key, SigningKeyPublished, SigningKeySnapshot)
    async for hospital in tenants.each(uow):
        yield hospitals.shown(hospital)
    async for facility in facility_directory.each(uow):
        yield facilities.shown(facility)
    for hospital_id in await tenants.list_tenants(uow):
        await uow.use_tenant(hospital_id)
        preferences = await agency_preferences.list_active(uow, hospital_id)
        async for trip in transport_requests.each(uow, hospital_id):
            yield events.shown(trip, _plan(trip, preferences))


def _plan(trip: TransportRequest, preferences: list[Preference]) -> Plan | None:
    """Plan an open trip's offers anew: what was planned is in the log only.

    A trip that was reopened since gets them as of its request, hence open already.
    """
    if trip.status is not TripStatus.PENDING:
        return None
    planned = offers.plan(
        trip.offer_mode,
        trip.priority,
        preferences,
        latest_pickup_at=trip.latest_pickup_at,
        at=trip.requested_at,
    )
    return replace(planned, offer_expires_at=trip.offer_expires_at)
