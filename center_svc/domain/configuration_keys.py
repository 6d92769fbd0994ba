"""The keys that may be configured: what each takes, and what applies until it is set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from chassis.errors import InvalidArgument


class ConfigurationValueType(StrEnum):
    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    DECIMAL = "DECIMAL"
    SECONDS = "SECONDS"
    TEXT = "TEXT"


Value = bool | float | str  # as JSON has it: INTEGER and SECONDS are numbers, DECIMAL is a string


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One thing that may be configured."""

    value_type: ConfigurationValueType
    default: Value
    category: str
    description: str
    least: Decimal = Decimal(0)  # of a number
    most: Decimal = Decimal(0)
    choices: tuple[str, ...] = ()  # of a text
    has_agencies: bool = False  # one agency may be set apart: the key, a dot, and the agency's id

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        match self.value_type:
            case ConfigurationValueType.BOOLEAN:
                return "must be true or false"
            case ConfigurationValueType.TEXT:
                return f"must be one of {', '.join(self.choices)}"
            case ConfigurationValueType.DECIMAL:
                return f"must be a decimal as a string of digits, from {self.least} to {self.most}"
        return f"must be a whole number, from {self.least} to {self.most}"

    def admits(self, value: object) -> bool:
        """Say whether JSON's ``value`` is of the key's type and in its range."""
        match self.value_type:
            case ConfigurationValueType.BOOLEAN:
                return isinstance(value, bool)
            case ConfigurationValueType.TEXT:
                return value in self.choices
            case ConfigurationValueType.DECIMAL:
                number = _decimal(value)
                return number is not None and self.least <= number <= self.most
        is_whole = isinstance(value, float) and value.is_integer()
        return is_whole and self.least <= Decimal(str(value)) <= self.most


MOST_CHARACTERS = 30
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")  # no key takes a negative one
_OF_AGENCY = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _decimal(value: object) -> Decimal | None:
    """Read a decimal as the contract has it: Decimal takes spaces, exponents and any digits."""
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        return None
    return Decimal(value) if _DECIMAL.fullmatch(value) else None


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
    "award.confirm": Key(
        value_type=ConfigurationValueType.TEXT,
        default="automatic",
        choices=("automatic", "manual"),
        has_agencies=True,
        category="award",
        description="Whether EMS confirms an award at once, or the agency's dispatcher does.",
    ),
    "phi.retention_days": Key(
        value_type=ConfigurationValueType.DECIMAL,
        default="365",
        least=Decimal(90),  # until then the agency's billing clerks may look
        most=Decimal(3650),
        category="privacy",
        description="For how many days hospitals keep who was carried on a trip that ended.",
    ),
    "notification.email": Key(
        value_type=ConfigurationValueType.BOOLEAN,
        default=True,
        category="notification",
        description="Whether e-mail is sent of what the application shows, too.",
    ),
    "notification.expiry_seconds": Key(
        value_type=ConfigurationValueType.SECONDS,
        default=86_400,
        least=Decimal(300),
        most=Decimal(604_800),
        category="notification",
        description="For how long sending an e-mail is tried.",
    ),
}


def known(key: str) -> Key:
    """Find what a key takes; ``award.confirm.{agency_id}`` takes what ``award.confirm`` does.

    Raises InvalidArgument for a key that nobody reads.
    """
    general, _, last = key.rpartition(".")
    found = KEYS.get(key)
    if found is None and _OF_AGENCY.fullmatch(last) and general in KEYS:
        found = KEYS[general] if KEYS[general].has_agencies else None
    if found is None:
        raise InvalidArgument("the key is not known", violations={"key": "is not known"})
    return found
