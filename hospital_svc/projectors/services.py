"""Follows Center's registry: a registered hospital gets its place here, once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from medport.center.events.v1 import services_pb2 as center
from medport.common.v1 import vocabulary_pb2 as words

from chassis import ids, telemetry
from chassis.account_rows import Login, login_name
from chassis.clock import instant, utc_now
from chassis.errors import AlreadyExists
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import RegistryStatus
from hospital_svc.domain.users import User, UserRole
from hospital_svc.messages import hospitals as messages
from hospital_svc.repositories import hospitals, users
from hospital_svc.repositories.sessions import rows as identity

Moved = center.ServiceSuspended | center.ServiceReinstated | center.ServiceRetired

_STANDINGS = {
    center.ServiceSuspended: RegistryStatus.SUSPENDED,
    center.ServiceReinstated: RegistryStatus.ACTIVE,
    center.ServiceRetired: RegistryStatus.RETIRED,
}


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    payload = event.payload
    match payload:
        case center.ServiceRegistered():
            if _is_ours(payload):
                await _provision(uow, payload, utc_now())
        case center.ServiceSuspended() | center.ServiceReinstated() | center.ServiceRetired():
            if _is_ours(payload):
                await _move(uow, payload)


def _is_ours(service: center.ServiceRegistered | Moved) -> bool:
    return service.service_type == words.SERVICE_TYPE_HOSPITAL


async def _provision(uow: UnitOfWork, service: center.ServiceRegistered, at: datetime) -> None:
    """Make the tenant and its invited administrator, and tell Center that it can work."""
    hospital = messages.registered(service, at)
    if not await hospitals.add(uow, hospital):
        return
    await uow.use_tenant(hospital.hospital_id)
    try:
        await _invite(uow, service, hospital.hospital_id, at)
    except AlreadyExists:  # the hospital is there all the same; Center can register another contact
        telemetry.log.warning("contact_logs_in_already", hospital_id=str(hospital.hospital_id))
    uow.emit(messages.provisioned(hospital))


async def _invite(
    uow: UnitOfWork, service: center.ServiceRegistered, hospital_id: UUID, at: datetime
) -> None:
    login, email = Login(hospital_id, ids.new()), service.contact_email
    await identity.accounts.add(uow, email, login)
    name = f"Administrator of {service.service_name}"[:200]
    user = User.new(
        hospital_id=hospital_id,
        id=login.user_id,
        email=login_name(email),
        name=name,
        role=UserRole.ADMIN,
        hospital_name=service.service_name,
        at=at,
    )
    await users.add(uow, user)
    await identity.one_time.invite(
        uow,
        login,
        token_hash=service.invitation_hash,
        at=at,
        expires=instant(service.invitation_expire_time),
    )


async def _move(uow: UnitOfWork, service: Moved) -> None:
    await hospitals.set_standing(
        uow,
        UUID(service.external_id),
        _STANDINGS[type(service)],
        service.registry_version,
        utc_now(),
    )
