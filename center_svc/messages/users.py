"""Users on the wire: the transport center's people, as its administrators see them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from medport.center.v1 import users_pb2 as pb
from medport.common.v1 import access_pb2

from center_svc.domain.users import Filter, Permission, Role, User
from chassis.account_rows import Login, login_name
from chassis.clock import timestamp
from chassis.wire import member, number, optional

ALL_FIELDS = frozenset(pb.CenterUser.DESCRIPTOR.fields_by_name)


def user(of: User) -> pb.CenterUser:
    return pb.CenterUser(
        id=str(of.id),
        email=of.email,
        name=of.name,
        role=number(pb.CenterUserRole, of.role),
        is_active=of.is_active,
        last_login_time=timestamp(of.last_login_at),
        permissions=[number(access_pb2.Permission, Permission(each)) for each in of.permissions],
        create_time=timestamp(of.created_at),
        update_time=timestamp(of.updated_at),
        etag=str(of.row_version),
    )


def columns(given: pb.CenterUser, named: Collection[str]) -> dict[str, Any]:
    """Return the columns behind the fields of ``given`` that are named."""
    found: dict[str, Any] = {}
    if "name" in named:
        found["name"] = given.name
    if "role" in named:
        found["role"] = member(Role, pb.CenterUserRole, given.role)
    if "permissions" in named:
        given_ones = (member(Permission, access_pb2.Permission, each) for each in given.permissions)
        found["permissions"] = sorted(given_ones)
    return found


def added(given: pb.CenterUser, login: Login, at: datetime) -> User:
    """Make a new user of what was asked; it has no password yet."""
    return User.new(
        at=at,
        id=login.user_id,
        email=login_name(given.email),
        **columns(given, ALL_FIELDS),
    )


def wanted(given: pb.CenterUserFilter) -> Filter:
    roles = [member(Role, pb.CenterUserRole, each) for each in given.roles]
    return Filter(
        roles=roles or list(Role),
        is_active=optional(given, "is_active"),
        email_prefix=given.email_prefix.lower(),
    )
