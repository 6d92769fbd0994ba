"""Follows Center's registry: the only door through which an agency comes into being."""

from __future__ import annotations

from uuid import UUID

from medport.center.events.v1 import services_pb2 as center
from medport.common.v1 import vocabulary_pb2

from chassis import ids
from chassis.account_rows import Login, login_name
from chassis.clock import Clock, instant
from chassis.errors import AlreadyExists
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus, RegistryStatus
from ems_svc.domain.events import AgencyProvisioned
from ems_svc.domain.users import User, UserRole
from ems_svc.messages import agencies as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import (
    agencies,
    available_trips,
    awards,
    matching,
    offered_trips,
    transport_bids,
    users,
)
from ems_svc.repositories.sessions import rows as identity

Changed = center.ServiceSuspended | center.ServiceReinstated | center.ServiceRetired


async def project(uow: UnitOfWork, event: Received, clock: Clock) -> None:
    """Apply one event of an agency's registration; a redelivered one changes nothing."""
    match event.payload:
        case center.ServiceRegistered() as registered if _is_agency(registered.service_type):
            await _provision(uow, registered, clock)
        case center.ServiceSuspended() as changed if _is_agency(changed.service_type):
            await _stand(uow, changed, RegistryStatus.SUSPENDED, clock)
        case center.ServiceReinstated() as changed if _is_agency(changed.service_type):
            await _stand(uow, changed, RegistryStatus.ACTIVE, clock)
        case center.ServiceRetired() as changed if _is_agency(changed.service_type):
            await _stand(uow, changed, RegistryStatus.RETIRED, clock)


def _is_agency(service_type: int) -> bool:
    return service_type == vocabulary_pb2.SERVICE_TYPE_EMS_AGENCY


async def _provision(uow: UnitOfWork, event: center.ServiceRegistered, clock: Clock) -> None:
    """Create the agency once: its primary key is the id that Center chose."""
    agency, at = messages.registered(event), clock()
    if not await agencies.add(uow, agency):
        return
    await uow.use_tenant(agency.agency_id)
    await _invite_admin(uow, event, Login(agency.agency_id, ids.new()), clock)
    known, updated = agency.changed(at)
    await agencies.save(uow, known)
    announce(uow, [AgencyProvisioned(agency), updated])


async def _invite_admin(
    uow: UnitOfWork, event: center.ServiceRegistered, login: Login, clock: Clock
) -> None:
    """Let the first administrator in, who sets a password with the token that Center showed."""
    email, at = event.contact_email, clock()
    try:
        await identity.accounts.add(uow, email, login)
    except AlreadyExists:  # one address, one login: the agency exists, Center sees who answers
        return
    user = User.new(
        agency_id=login.tenant,
        id=login.user_id,
        email=login_name(email),
        name=event.agency.contact_name or email,
        role=UserRole.ADMIN,
        phone=event.agency.phone or None,
        unit_id=None,
        at=at,
    )
    await users.add(uow, user)
    await identity.one_time.invite(
        uow,
        login,
        token_hash=event.invitation_hash,
        at=at,
        expires=instant(event.invitation_expire_time),
    )


async def _stand(uow: UnitOfWork, event: Changed, status: RegistryStatus, clock: Clock) -> None:
    """Take a new standing: without it, bids end and nothing is offered; running jobs finish."""
    trips, at = await offered_trips.hold_open(uow), clock()
    waiting = await offered_trips.lock_awaiting(uow, UUID(event.external_id))
    agency = await agencies.lock_if_known(uow, UUID(event.external_id))
    standing = agency and agency.stand(status, event.registry_version, at)
    if not standing:
        return
    agency, updated = standing
    await agencies.save(uow, agency)
    await uow.use_tenant(agency.agency_id)
    announce(uow, [updated])
    if agency.is_active:
        await matching.offer_all_to(uow, agency, trips)
        return
    # The hospitals that chose it need not wait for an answer that it may not give any more.
    announce(uow, [await awards.decline(uow, trip, "AGENCY_SUSPENDED") for trip in waiting])
    closed = await transport_bids.close_of_agency(uow, agency.agency_id, BidStatus.REJECTED, at)
    await available_trips.withdraw_all(uow, agency.agency_id)
    announce(uow, closed)
