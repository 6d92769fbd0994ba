"""Users on the wire: a hospital's people, as its administrators see them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from medport.hospital.v1 import users_pb2 as pb

from chassis.account_rows import Login, login_name
from chassis.clock import timestamp
from chassis.wire import member, number, optional
from hospital_svc.domain.users import Filter, User, UserRole

ALL_FIELDS = frozenset(pb.HospitalUser.DESCRIPTOR.fields_by_name)


def user(of: User) -> pb.HospitalUser:
    return pb.HospitalUser(
        id=str(of.id),
        hospital_id=str(of.hospital_id),
        email=of.email,
        name=of.name,
        role=number(pb.HospitalUserRole, of.role),
        is_active=of.is_active,
        hospital_name=of.hospital_name,
        create_time=timestamp(of.created_at),
        update_time=timestamp(of.updated_at),
        etag=str(of.row_version),
    )


def columns(given: pb.HospitalUser, named: Collection[str]) -> dict[str, Any]:
    """Return the columns behind the fields of ``given`` that are named."""
    found: dict[str, Any] = {}
    if "name" in named:
        found["name"] = given.name
    if "role" in named:
        found["role"] = member(UserRole, pb.HospitalUserRole, given.role)
    return found


def added(given: pb.HospitalUser, login: Login, hospital_name: str, at: datetime) -> User:
    """Make a new user of what was asked; it has no password yet."""
    if login.tenant is None:
        raise ValueError("a user of the silo has a tenant")
    return User.new(
        at=at,
        hospital_id=login.tenant,
        id=login.user_id,
        email=login_name(given.email),
        **columns(given, ALL_FIELDS),
        hospital_name=hospital_name,
    )


def wanted(given: pb.HospitalUserFilter) -> Filter:
    roles = [member(UserRole, pb.HospitalUserRole, each) for each in given.roles]
    return Filter(
        roles=roles or list(UserRole),
        is_active=optional(given, "is_active"),
        email_prefix=given.email_prefix.lower(),
    )
