"""The center's users: what they are, what they may do beyond that, and what changes entail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.errors import LastAdministrator


class Role(StrEnum):
    COORDINATOR = "COORDINATOR"
    ADMIN = "ADMIN"


class Permission(StrEnum):
    REGISTRY_WRITE = "REGISTRY_WRITE"
    CONFIGURATION_WRITE = "CONFIGURATION_WRITE"
    TOGGLE_WRITE = "TOGGLE_WRITE"
    TEMPLATE_WRITE = "TEMPLATE_WRITE"
    TRIP_OVERRIDE = "TRIP_OVERRIDE"
    BREAK_GLASS = "BREAK_GLASS"
    AUDIT_READ = "AUDIT_READ"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user without the password's hash, which only logins read."""

    id: UUID
    email: str
    name: str
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime
    row_version: int
    permissions: Sequence[str]
    last_login_at: datetime | None
    has_password: bool

    @classmethod
    def new(cls, *, at: datetime, **known: Any) -> User:  # noqa: ANN401 - the fields
        """Make a user who has yet to set a password."""
        return cls(
            **known,
            is_active=True,
            created_at=at,
            updated_at=at,
            row_version=1,
            last_login_at=None,
            has_password=False,
        )

    @property
    def administers(self) -> bool:
        """Say whether the user can manage the others: who never set a password cannot log in."""
        return self.is_active and self.has_password and self.role is Role.ADMIN

    def changed(self, changes: dict[str, Any], *, has_peer: bool, at: datetime) -> User:
        """Return the user as it is from now on.

        Raises LastAdministrator where none would be left; ``has_peer`` says that there is another.
        """
        user = replace(self, **changes, updated_at=at, row_version=self.row_version + 1)
        if self.administers and not user.administers and not has_peer:
            raise LastAdministrator
        return user

    def outgrows(self, before: User) -> bool:
        """Say whether tokens made for the user ``before`` claim what is not true any more."""
        return not self.is_active or (self.role, set(self.permissions)) != (
            before.role,
            set(before.permissions),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which users; None lets both pass, and an empty prefix all. ``roles`` names those wanted."""

    roles: Sequence[Role]
    is_active: bool | None
    email_prefix: str
