"""Applies an update mask: the fields it names are taken, and the whole is checked as a new one."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.field_masks import EVERYTHING, Resource, chosen, masked, refuse
from chassis.interceptors.validation import violations


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
    result.MergeFrom(chosen(given, paths))
    refuse(violations(result), name)
    return result


def differing(before: Resource, after: Resource) -> frozenset[str]:
    """Return the fields that users may set, and in which the two are not alike."""
    paths = masked(after, FieldMask(paths=[EVERYTHING]), "")
    return frozenset(path for path in paths if getattr(before, path) != getattr(after, path))
