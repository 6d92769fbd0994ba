"""Which of a resource's fields a caller may set, and must: the contract's field behaviours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from google.api.field_behavior_pb2 import FieldBehavior, field_behavior
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.errors import InvalidArgument

EVERYTHING = "*"


def refuse_missing(resource: Message, path: str) -> None:
    """Refuse a new resource without one of its required fields; ``path`` is where it stands."""
    missing = _missing(resource, path, _behaving(resource, FieldBehavior.REQUIRED))
    if missing:
        raise InvalidArgument("required fields are missing", violations=missing)


def masked(resource: Message, mask: FieldMask, path: str) -> frozenset[str]:
    """Return the fields that an update sets; ``*`` stands for all that can be set.

    Raises InvalidArgument for an unknown path, one that cannot be set, and a required field that
    would be emptied.
    """
    fixed = _behaving(resource, FieldBehavior.OUTPUT_ONLY, FieldBehavior.IMMUTABLE)
    settable = set(resource.DESCRIPTOR.fields_by_name) - fixed
    named = settable if list(mask.paths) == [EVERYTHING] else set(mask.paths)
    wrong = {
        f"update_mask.paths[{index}]": "names no field that can be set"
        for index, name in enumerate(mask.paths)
        if name != EVERYTHING and name not in settable
    }
    if EVERYTHING in mask.paths and len(mask.paths) > 1:
        wrong["update_mask.paths"] = "* stands alone"
    if wrong:
        raise InvalidArgument("the update mask does not fit", violations=wrong)
    required = named & _behaving(resource, FieldBehavior.REQUIRED)
    if missing := _missing(resource, path, required):
        raise InvalidArgument("required fields would be emptied", violations=missing)
    return frozenset(named)


def _behaving(resource: Message, *behaviours: int) -> set[str]:
    wanted = set(behaviours)
    return {
        field.name
        for field in resource.DESCRIPTOR.fields
        if wanted & set(field.GetOptions().Extensions[field_behavior])
    }


def _missing(resource: Message, path: str, names: Collection[str]) -> dict[str, str]:
    return {
        f"{path}.{name}": "is required" for name in sorted(names) if not _is_set(resource, name)
    }


def _is_set(resource: Any, name: str) -> bool:
    if resource.DESCRIPTOR.fields_by_name[name].has_presence:
        return bool(resource.HasField(name))
    return bool(getattr(resource, name))
