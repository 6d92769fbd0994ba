"""Users on the wire: an agency's people, as its administrators see them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from medport.ems.v1 import users_pb2 as pb

from chassis.account_rows import Login, login_name
from chassis.clock import timestamp
from chassis.wire import member, number, optional
from ems_svc.domain.users import Filter, User, UserRole

ALL_FIELDS = frozenset(pb.EmsAgencyUser.DESCRIPTOR.fields_by_name)


def user(of: User) -> pb.EmsAgencyUser:
    return pb.EmsAgencyUser(
        id=str(of.id),
        agency_id=str(of.agency_id),
        email=of.email,
        name=of.name,
        role=number(pb.EmsAgencyUserRole, of.role),
        is_active=of.is_active,
        phone=of.phone or "",
        last_login_time=timestamp(of.last_login_at),
        unit_id=str(of.unit_id or ""),
        create_time=timestamp(of.created_at),
        update_time=timestamp(of.updated_at),
        etag=str(of.row_version),
    )


def columns(given: pb.EmsAgencyUser, named: Collection[str]) -> dict[str, Any]:
    """Return the columns behind the fields of ``given`` that are named."""
    found: dict[str, Any] = {}
    if "name" in named:
        found["name"] = given.name
    if "role" in named:
        found["role"] = member(UserRole, pb.EmsAgencyUserRole, given.role)
    if "phone" in named:
        found["phone"] = given.phone or None
    if "unit_id" in named:
        found["unit_id"] = UUID(given.unit_id) if given.unit_id else None
    return found


def added(given: pb.EmsAgencyUser, login: Login, at: datetime) -> User:
    """Make a new user of what was asked; it has no password yet."""
    if login.tenant is None:
        raise ValueError("a user of the silo has a tenant")
    return User.new(
        at=at,
        agency_id=login.tenant,
        id=login.user_id,
        email=login_name(given.email),
        **columns(given, ALL_FIELDS),
    )


def wanted(given: pb.EmsAgencyUserFilter) -> Filter:
    roles = [member(UserRole, pb.EmsAgencyUserRole, each) for each in given.roles]
    return Filter(
        roles=roles or list(UserRole),
        is_active=optional(given, "is_active"),
        email_prefix=given.email_prefix.lower(),
    )
