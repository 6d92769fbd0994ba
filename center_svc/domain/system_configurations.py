"""Configuration: the keys there are, what they take, and what a change makes of them."""

from __future__ import annotations

import re
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
    category: str
    description: str
    least: Decimal = Decimal(0)  # of a number
    most: Decimal = Decimal(0)
    choices: tuple[str, ...] = ()  # of a text
    has_agencies: bool = False  # one agency may be set apart: the key, a dot, and the agency's id

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        return f"must be a decimal as a string, from {self.least} to {self.most}"

    def admits(self, value: str) -> bool:
        if self.choices:
            return value in self.choices
        try:
            number = Decimal(value)
        except InvalidOperation:
            return False
        is_short = len(value) <= MOST_CHARACTERS
        return is_short and number.is_finite() and self.least <= number <= self.most


MOST_CHARACTERS = 30
_OF_AGENCY = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

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
    "location.retention_days": Key(
        value_type=ConfigurationValueType.DECIMAL,
        default="30",
        least=Decimal(1),
        most=Decimal(3650),
        category="location",
        description="For how many days it is kept where units were.",
    ),
    "phi.retention_days": Key(
        value_type=ConfigurationValueType.DECIMAL,
        default="365",
        least=Decimal(90),  # until then the agency's billing clerks may look
        most=Decimal(3650),
        category="privacy",
        description="For how many days hospitals keep who was carried on a trip that ended.",
    ),
    "award.confirm": Key(
        value_type=ConfigurationValueType.TEXT,
        default="automatic",
        choices=("automatic", "manual"),
        has_agencies=True,
        category="award",
        description="Whether EMS confirms an award at once, or the agency's dispatcher does.",
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
    found = _known(key)
    if isinstance(value, str) and found.admits(value):
        return value
    raise InvalidArgument("the value does not fit the key", violations={"value": found.wanted})


def unset(key: str, *, id: UUID, by: UUID, at: datetime) -> SystemConfiguration:
    """Make the row of a known key that was never set: version 0, with its default."""
    found = _known(key)
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


def _known(key: str) -> Key:
    """Find what a key takes; ``award.confirm.{agency_id}`` takes what ``award.confirm`` does."""
    general, _, last = key.rpartition(".")
    found = KEYS.get(key)
    if found is None and _OF_AGENCY.fullmatch(last) and general in KEYS:
        found = KEYS[general] if KEYS[general].has_agencies else None
    if found is None:
        raise InvalidArgument("the key is not known", violations={"key": "is not known"})
    return found
