"""Values that every silo translates: enums, money and places."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

Member = TypeVar("Member", bound=StrEnum)

NANOS = 10**9


def number(wrapper: Any, member: StrEnum | None) -> Any:
    """Return the contract's number of ``member``; None is UNSPECIFIED.

    ``wrapper`` is the generated enum, such as ``vocabulary_pb2.TransportLevel``.
    """
    return 0 if member is None else wrapper.Value(f"{_prefix(wrapper)}{member}")


def member(kind: type[Member], wrapper: Any, given: int) -> Member:
    """Return the member that ``given`` stands for; raises ValueError for 0 and unknown numbers."""
    return kind(wrapper.Name(given).removeprefix(_prefix(wrapper)))


def names_of(kind: type[Member], wrapper: Any, given: Sequence[int]) -> list[str]:
    """Return the names that ``given`` numbers stand for."""
    return [str(member(kind, wrapper, each)) for each in given]


def any_of(kind: type[Member], wrapper: Any, given: Sequence[int]) -> list[str]:
    """Return the names that a filter lets pass: all, when it names none."""
    return names_of(kind, wrapper, given) or [str(each) for each in kind]


def optional(given: Message, name: str) -> Any:
    """Return the value of a field that has presence; None where nobody set it."""
    return getattr(given, name) if given.HasField(name) else None


@cache
def _prefix(wrapper: Any) -> str:
    """Return ``TRANSPORT_LEVEL_`` for TransportLevel: what its zero value is called, mostly."""
    return str(wrapper.Name(0)).removesuffix("UNSPECIFIED")


def money(amount: Decimal | None, currency_code: str) -> Money | None:
    """Return whole cents as ``google.type.Money``; None leaves the field absent."""
    if amount is None:
        return None
    units = int(amount)
    return Money(currency_code=currency_code, units=units, nanos=int((amount - units) * NANOS))


def amount(given: Money) -> Decimal:
    """Return the amount in whole cents; the contract's rules have refused anything finer."""
    return (Decimal(given.units) + Decimal(given.nanos) / NANOS).quantize(Decimal("0.01"))


def place(latitude: float | None, longitude: float | None) -> LatLng | None:
    """Return WGS 84 degrees for the wire; None leaves the field absent."""
    if latitude is None or longitude is None:
        return None
    return LatLng(latitude=latitude, longitude=longitude)
