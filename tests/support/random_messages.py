"""Messages as a careless or a hostile client fills them: often valid, sometimes far from it."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.message import Message

TENANT = "0198f000-0000-7000-8000-00000000000a"
TEXTS = ("", "x", "%_\\", "a\0b", "\u202edrowssap", "x" * 10_000, "'; DROP TABLE trip --", "ü" * 40)
NUMBERS = (0, 1, -1, 50, 2**31 - 1, -(2**31))
DECIMALS = (0.0, 40.5, -78.4, float("nan"), float("inf"), 1e308)
DEEPEST = 4


def filled(message: Message, random: Random, depth: int = 0) -> Message:
    """Fill ``message``'s fields by their types and names; return it."""
    for field in message.DESCRIPTOR.fields:
        if random.random() < 0.15:
            continue
        if field.message_type is not None:
            _fill_message(message, field, random, depth)
        elif field.is_repeated:
            values = [_value(field, random) for _ in range(random.choice((0, 1, 3)))]
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, _value(field, random))
    return message


def _fill_message(message: Message, field: Any, random: Random, depth: int) -> None:
    target: Any = getattr(message, field.name)
    if depth >= DEEPEST or field.message_type.GetOptions().map_entry:
        return
    if field.is_repeated:
        for _ in range(random.choice((0, 1, 2))):
            filled(target.add(), random, depth + 1)
    else:
        _fill_known(target, random) or filled(target, random, depth + 1)


def _fill_known(target: Any, random: Random) -> bool:
    """Give the messages with rules of their own a fair chance to be valid."""
    is_wild = random.random() < 0.1
    match target.DESCRIPTOR.full_name:
        case "google.protobuf.Timestamp":
            wild = (-(2**40), 2**40, 2**62, 1)
            target.seconds = random.choice(wild) if is_wild else 1_795_000_000
            target.nanos = random.choice((0, -1, 2**31 - 1)) if is_wild else 0
        case "google.protobuf.Duration":
            target.seconds = random.choice((-1, 2**62)) if is_wild else random.choice((60, 3600))
        case "google.type.Money":
            target.currency_code = "EUR" if is_wild else "USD"
            target.units = -5 if is_wild else 125
        case "google.type.LatLng":
            target.latitude = random.choice(DECIMALS) if is_wild else 40.5
            target.longitude = -78.4
        case "google.protobuf.FieldMask":
            target.paths.append(random.choice(("*", "name", "nowhere", "id", "notes")))
        case _:
            return False
    return True


def _value(field: Any, random: Random) -> Any:
    is_wild = random.random() < 0.1
    if field.enum_type is not None:
        defined = [each.number for each in field.enum_type.values][1:] or [0]
        return random.choice((0, 999, -1)) if is_wild else random.choice(defined)
    if field.type == Kind.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == Kind.TYPE_BYTES:
        return random.randbytes(random.choice((0, 1, 57)))
    if field.type == Kind.TYPE_STRING:
        return _text(field.name, random, is_wild=is_wild)
    if field.type in (Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT):
        return random.choice(DECIMALS) if is_wild else random.choice((0.5, 12.0))
    number = random.choice(NUMBERS) if is_wild else random.choice((1, 2, 5))
    is_unsigned = field.type in (Kind.TYPE_UINT32, Kind.TYPE_UINT64)
    return abs(number) if is_unsigned else number


def _text(name: str, random: Random, *, is_wild: bool) -> str:
    if is_wild:
        return random.choice(TEXTS)
    if name in {"hospital_id", "agency_id"}:
        return random.choice((TENANT, TENANT, _uuid(random)))
    if name == "id" or name.endswith(("_id", "_ids")):
        return _uuid(random)
    known = {"etag": "1", "state": "PA", "zip_code": "16601", "page_token": "", "email": "a@b.co"}
    return known.get(name, random.choice(("Mercy", "b-17", "a fair reason of some length")))


def _uuid(random: Random) -> str:
    digits = f"{random.getrandbits(128):032x}"
    return "-".join(
        (digits[:8], digits[8:12], f"7{digits[13:16]}", f"8{digits[17:20]}", digits[20:])
    )
