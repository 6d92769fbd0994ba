"""Applies an update mask: the fields it names are taken, and the whole is checked as a new one."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.errors import InvalidArgument
from chassis.field_masks import EVERYTHING, masked
from chassis.interceptors.validation import violations

Resource = TypeVar("Resource", bound=Message)


def merged(current: Resource, given: Resource, mask: FieldMask, name: str) -> Resource:
    """Return ``current`` with the fields that ``mask`` names taken from ``given``.

    ``name`` is the resource's field in the request. Raises InvalidArgument for a path that cannot
    be set, and for values that a new resource could not have either.
    """
    paths = masked(given, mask, name)
    result = type(current)()
    result.CopyFrom(current)
    for path in paths:
        result.ClearField(path)
    result.MergeFrom(_chosen(given, paths))
    _refuse(violations(result), name)
    return result


def check(given: Message, mask: FieldMask, name: str) -> frozenset[str]:
    """Refuse what no row could make right, before one is read; ``merged`` checks the rest.

    Returns the fields that are to be set.
    """
    paths = masked(given, mask, name)
    broken = violations(_chosen(given, paths))
    _refuse({path: why for path, why in broken.items() if _root(path) in paths}, name)
    return paths


def differing(before: Resource, after: Resource) -> frozenset[str]:
    """Return the fields that users may set, and in which the two are not alike."""
    paths = masked(after, FieldMask(paths=[EVERYTHING]), "")
    return frozenset(path for path in paths if getattr(before, path) != getattr(after, path))


def _chosen(given: Resource, paths: frozenset[str]) -> Resource:
    chosen = type(given)()
    chosen.CopyFrom(given)
    for field, _ in given.ListFields():
        if field.name not in paths:
            chosen.ClearField(field.name)
    return chosen


def _root(path: str) -> str:
    """Return the resource's own field that a path goes through: capabilities[0] is one of them."""
    return path.partition(".")[0].partition("[")[0]


def _refuse(broken: dict[str, str], name: str) -> None:
    if broken:
        raise InvalidArgument(
            "the request breaks rules of the contract",
            violations={f"{name}.{path}": why for path, why in broken.items()},
        )
