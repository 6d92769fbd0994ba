"""Which of a resource's fields a caller may set, and must: the contract's field behaviours."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from google.api.field_behavior_pb2 import FieldBehavior, field_behavior
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.errors import InvalidArgument
from chassis.interceptors.validation import violations

EVERYTHING = "*"

Resource = TypeVar("Resource", bound=Message)


def refuse_missing(resource: Message, path: str) -> None:
    """Refuse a new resource without one of its required fields; ``path`` is where it stands."""
    missing = _missing(resource, path, _behaving(resource, FieldBehavior.REQUIRED))
    if missing:
        raise InvalidArgument("required fields are missing", violations=missing)


def masked(resource: Message, mask: FieldMask, path: str) -> frozenset[str]:
    """Return the fields that an update sets; ``*`` stands for all that can be set.

    Raises InvalidArgument for an unknown path, one that cannot be set, a required field that would
    be emptied, and a named field whose value breaks the contract's rules: the rest counts nothing.
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
    broken = violations(chosen(resource, named))
    refuse({each: why for each, why in broken.items() if _root(each) in named}, path)
    required = named & _behaving(resource, FieldBehavior.REQUIRED)
    if missing := _missing(resource, path, required):
        raise InvalidArgument("required fields would be emptied", violations=missing)
    return frozenset(named)


def chosen(resource: Resource, names: Collection[str]) -> Resource:
    """Return a copy of ``resource`` that has the named fields alone."""
    result = type(resource)()
    result.CopyFrom(resource)
    for field, _ in resource.ListFields():
        if field.name not in names:
            result.ClearField(field.name)
    return result


def refuse(broken: Mapping[str, str], path: str) -> None:
    """Refuse a resource that stands at ``path`` for what is ``broken`` in it, if anything is."""
    if broken:
        raise InvalidArgument(
            "the request breaks rules of the contract",
            violations={f"{path}.{each}": why for each, why in broken.items()},
        )


def _root(path: str) -> str:
    """Return the resource's own field that a path goes through: capabilities[0] is one of them."""
    return path.partition(".")[0].partition("[")[0]


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
