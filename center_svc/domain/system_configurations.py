"""Configuration: what a change makes of a value, and how an earlier one comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from center_svc.domain.configuration_keys import ConfigurationValueType, Value, known
from center_svc.domain.events import SystemConfigurationChanged
from chassis.errors import EtagMismatch, InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemConfiguration:
    id: UUID
    key: str
    value_type: ConfigurationValueType
    value: Any  # JSON
    description: str
    category: str
    is_active: bool
    version: int
    updated_by: UUID
    updated_at: datetime

    @property
    def etag(self) -> str:
        return f"{self.version:x}"

    def change(
        self, value: Value, *, is_active: bool, etag: str, by: UUID, at: datetime
    ) -> tuple[SystemConfiguration, SystemConfigurationChanged]:
        """Set a value that ``checked`` has let pass; an empty ``etag`` sets it anyway."""
        if etag and etag != self.etag:
            raise EtagMismatch
        changed = replace(
            self,
            value=value,
            is_active=is_active,
            version=self.version + 1,
            updated_by=by,
            updated_at=at,
        )
        return changed, SystemConfigurationChanged(
            configuration_id=self.id,
            key=self.key,
            value_type=self.value_type,
            value=value,
            is_active=is_active,
            version=changed.version,
        )

    def differences(self, before: SystemConfiguration) -> dict[str, Any]:
        """Return what has changed since ``before``, by name: what it was, and what it is."""
        changed = {
            name: {"from": getattr(before, name), "to": getattr(self, name)}
            for name in ("value", "is_active", "version")
        }
        return {name: each for name, each in changed.items() if each["from"] != each["to"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationVersion:
    """What a key was from a moment on, and who made it so."""

    version: int
    value: Any  # JSON
    is_active: bool
    updated_by: UUID
    updated_at: datetime


def checked(key: str, value: Value) -> Value:
    """Return ``value``; raises InvalidArgument for an unknown key, or a value that does not fit."""
    found = known(key)
    if found.admits(value):
        return value
    raise InvalidArgument("the value does not fit the key", violations={"value": found.wanted})


def unset(key: str, *, id: UUID, by: UUID, at: datetime) -> SystemConfiguration:
    """Make the row of a known key that was never set: version 0, with its default."""
    found = known(key)
    return SystemConfiguration(
        id=id,
        key=key,
        value_type=found.value_type,
        value=found.default,
        description=found.description,
        category=found.category,
        is_active=False,
        version=0,
        updated_by=by,
        updated_at=at,
    )
