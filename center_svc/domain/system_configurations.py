"""Configuration: the keys there are, what they take, and what a change makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any
from uuid import UUID

from center_svc.domain.events import SystemConfigurationChanged
from chassis.errors import EtagMismatch, InvalidArgument


class ConfigurationValueType(StrEnum):
    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    DECIMAL = "DECIMAL"
    SECONDS = "SECONDS"
    TEXT = "TEXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One thing that may be configured: what is allowed, and what applies until it is set."""

    value_type: ConfigurationValueType
    default: str
    least: Decimal
    most: Decimal
    category: str
    description: str


MOST_CHARACTERS = 30

# What the silos read. A key that nobody reads would only seem to have an effect.
KEYS = {
    "routing.road_factor": Key(
        value_type=ConfigurationValueType.DECIMAL,
        default="1.2",
        least=Decimal(1),
        most=Decimal(3),
        category="routing",
        description="By how much roads are longer than the great circle.",
    ),
}


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
        self, value: str, *, is_active: bool, etag: str, by: UUID, at: datetime
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


def checked(key: str, value: object) -> str:
    """Return ``value``; raises InvalidArgument for an unknown key, or a value that does not fit."""
    if key not in KEYS:
        raise InvalidArgument("the key is not known", violations={"key": "is not known"})
    found = KEYS[key]
    if isinstance(value, str) and _fits(found, value):
        return value
    wrong = f"must be a decimal as a string, from {found.least} to {found.most}"
    raise InvalidArgument("the value does not fit the key", violations={"value": wrong})


def unset(key: str, *, id: UUID, by: UUID, at: datetime) -> SystemConfiguration:
    """Make the row of a known key that was never set: version 0, with its default."""
    found = KEYS[key]
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


def _fits(key: Key, value: str) -> bool:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return False
    return len(value) <= MOST_CHARACTERS and number.is_finite() and key.least <= number <= key.most
