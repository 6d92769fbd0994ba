"""Applies an update mask: the fields it names are taken, and the whole is checked as a new one."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.errors import InvalidArgument
from chassis.field_masks import masked
from chassis.interceptors.validation import violations

Resource = TypeVar("Resource", bound=Message)


def merged(current: Resource, given: Resource, mask: FieldMask, name: str) -> Resource:
    """Return ``current`` with the fields that ``mask`` names taken from ``given``.

    ``name`` is the resource's field in the request. Raises InvalidArgument for a path that cannot
    be set, and for values that a new resource could not have either.
    """
    paths = masked(given, mask, name)
    result, chosen = type(current)(), type(current)()
    result.CopyFrom(current)
    chosen.CopyFrom(given)
    for field, _ in given.ListFields():
        if field.name not in paths:
            chosen.ClearField(field.name)
    for path in paths:
        result.ClearField(path)
    result.MergeFrom(chosen)
    _check(result, name)
    return result


def _check(resource: Message, name: str) -> None:
    if broken := violations(resource):
        raise InvalidArgument(
            "the request breaks rules of the contract",
            violations={f"{name}.{path}": why for path, why in broken.items()},
        )
