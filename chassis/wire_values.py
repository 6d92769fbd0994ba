"""What the wire can carry, and neither Python nor PostgreSQL can hold: found by its path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.api.field_behavior_pb2 import FieldBehavior, field_behavior
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

NUL = "must not contain NUL"
BLANK = "must not be blank"
_RULES: Any = validate_pb2  # its names are made at run time
_YEARS_1_TO_9999 = range(-62_135_596_800, 253_402_300_800)  # seconds
_MOST_SECONDS = 315_576_000_000  # ten thousand years
_NANOS = 1_000_000_000
_WITH_LIMITS = (Timestamp, Duration, Value)
_NAMES = {each.DESCRIPTOR.full_name for each in _WITH_LIMITS}


def unfit_values(message: Message) -> dict[str, str]:
    """Return the times and numbers that nothing can be computed with, not even by a rule."""
    if not _has_limits(message.DESCRIPTOR):
        return {}  # most requests carry neither
    return {path: why for path, each in _walk(message) if (why := _unfit(each))}


def texts_with_nul(message: Message) -> dict[str, str]:
    """Return the texts that hold a NUL, which PostgreSQL cannot store."""
    return {path: NUL for path, each in _walk(message) if isinstance(each, str) and "\0" in each}


def blank_texts(message: Message, prefix: str = "") -> dict[str, str]:
    """Return the required texts that hold nothing but blanks: who reads them sees none.

    A password may be anything. What the rules leave alone, as an update's resource, is left alone.
    """
    texts, inner = _required_texts(message.DESCRIPTOR)
    found = {f"{prefix}{name}": BLANK for name in texts if getattr(message, name).isspace()}
    for field, value in message.ListFields():
        if field.name in inner:
            for path, each in _values(field, value, f"{prefix}{field.name}"):
                found |= blank_texts(each, f"{path}.")
    return found


@cache
def _required_texts(descriptor: Descriptor) -> tuple[list[str], set[str]]:
    """Return the names of the required texts, and of the fields that may hold more of them."""
    texts = [field.name for field in descriptor.fields if _is_required_text(field)]
    return texts, {field.name for field in descriptor.fields if _is_checked_message(field)}


def _is_required_text(field: FieldDescriptor) -> bool:
    behaviours = field.GetOptions().Extensions[field_behavior]
    is_text = field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
    is_password = FieldBehavior.INPUT_ONLY in behaviours
    return is_text and FieldBehavior.REQUIRED in behaviours and not is_password


def _is_checked_message(field: FieldDescriptor) -> bool:
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return False
    rules = field.GetOptions().Extensions[_RULES.field]
    return bool(rules.ignore != _RULES.IGNORE_ALWAYS)


def _unfit(value: Any) -> str:
    match value:
        case Timestamp():
            fits = value.seconds in _YEARS_1_TO_9999 and 0 <= value.nanos < _NANOS
            return "" if fits else "must be a time of the years 1 to 9999"
        case Duration():
            fits = abs(value.seconds) <= _MOST_SECONDS and abs(value.nanos) < _NANOS
            is_one_way = value.seconds * value.nanos >= 0
            return "" if fits and is_one_way else "must be a duration of at most 10000 years"
        case Value() if value.HasField("number_value") and not math.isfinite(value.number_value):
            return "must be a finite number"
        case _:
            return ""


@cache
def _has_limits(descriptor: Descriptor, outer: frozenset[str] = frozenset()) -> bool:
    """Tell whether a message of this type can hold a value with limits; types may be recursive."""
    if descriptor.full_name in _NAMES:
        return True
    seen = outer | {descriptor.full_name}
    inner = (field.message_type for field in descriptor.fields if field.message_type is not None)
    return any(each.full_name not in seen and _has_limits(each, seen) for each in inner)


def _walk(message: Message, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give every value that is set, those of inner messages included, each with its path."""
    for field, value in message.ListFields():
        for path, each in _values(field, value, f"{prefix}{field.name}"):
            yield path, each
            if isinstance(each, Message):
                yield from _walk(each, f"{path}.")


def _values(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give a field's single values, a map's keys included, each with its path."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for index, key in enumerate(value):
            yield f"{path}[{index}]", key
            yield f"{path}[{index}]", value[key]
    elif field.is_repeated:
        for index, each in enumerate(value):
            yield f"{path}[{index}]", each
    else:
        yield path, value
