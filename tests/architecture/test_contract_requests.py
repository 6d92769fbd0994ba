"""What callers send is bounded, known and versioned: the rules of every field of every request.

Proves contract.md 1.3 (rules 5, 6, 7, 11, 14, 15, 16) at any depth, and on every resource. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from tests.support.contract import SILOS, files, messages, methods

RULES: Any = vars(validate_pb2)["field"]  # made at run time
BEHAVIOUR: Any = vars(field_behavior_pb2)["field_behavior"]
REQUIRED, OUTPUT_ONLY = 2, 3
UNBOUNDED = re.compile(r"[*+]|\{\d+,\}")
CLASSES_AND_ESCAPES = re.compile(r"\[(\\.|[^\]])*\]|\\.")
ON_EARTH_OR_PAYABLE = {"google.type.LatLng", "google.type.Money"}
# Verbs with no version to name, and why.
UNVERSIONED = {
    **dict.fromkeys(
        ("Create", "Register", "Submit", "Grant", "Duplicate"), "makes what had no version yet"
    ),
    **dict.fromkeys(("RevokeSession", "RevokeVerificationKey"), "ends it for good, whatever it is"),
    "MarkNotificationsRead": "goes one way",
    "ReportProgress": "a place that was passed stays passed",
    "ReportLocation": "the fix with the later time wins",
    "ChangePassword": "the old password is its version",
    "RequestPasswordReset": "changes nothing that its caller could have read",
    **dict.fromkeys(("ConfirmAward", "DeclineAward"), "an award is answered once"),
    **dict.fromkeys(
        ("ResumeConsumer", "RebuildConsumer", "RetryDeadLetters", "DiscardDeadLetter"),
        "what an operator asks for is right wherever the consumer has come to",
    ),
}
# The hospital's own number for a patient, in the form that the hospital gives it.
OWN_NUMBERS = {
    "medport.hospital.v1.TransportRequest.patient_id",
    "medport.hospital.v1.DuplicateTransportRequestRequest.patient_id",
}


def _name(element: Any) -> str:
    return str(element.full_name)


def _behaviours(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[BEHAVIOUR])


def _of_one(field: FieldDescriptor) -> Any:
    """Return the rules of a field, or of each of its items."""
    rules = field.GetOptions().Extensions[RULES]
    return rules.repeated.items if field.is_repeated else rules


def _holder(field: FieldDescriptor) -> Descriptor:
    assert field.containing_type is not None
    return field.containing_type


def _is_entry(message: Descriptor) -> bool:
    return bool(message.GetOptions().map_entry)


def _sent() -> Iterator[FieldDescriptor]:
    """Give every field that a caller's value counts of; a map's bounds stand at the map."""
    waiting = [method.input_type for method in methods()]
    seen = set(waiting)
    while waiting:
        for field in waiting.pop().fields:
            if OUTPUT_ONLY in _behaviours(field):
                continue  # ignored when a caller sends it
            yield field
            inner = field.message_type
            if inner is None or inner in seen or _is_entry(inner):
                continue
            if inner.full_name.startswith("medport."):
                seen.add(inner)
                waiting.append(inner)


SENT = list(_sent())


def _resources() -> set[Descriptor]:
    """Return what a silo or the router keeps or answers with, but for the answers themselves."""
    answers = {method.output_type for method in methods()}
    packages = {f"medport.{owner}.v1" for owner in (*SILOS, "router")}
    return {
        message
        for file in files()
        if file.package in packages
        for message in messages(file)
        if message not in answers
    }


def _of_type(*kinds: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "field", [each for each in SENT if each.type in kinds], ids=_name
    )


every_text = _of_type(FieldDescriptor.TYPE_STRING)
every_choice = _of_type(FieldDescriptor.TYPE_ENUM)
every_method = pytest.mark.parametrize("method", methods(), ids=_name)


@every_text
def test_a_text_has_a_greatest_length(field: FieldDescriptor) -> None:
    """Rule 16; a pattern is a bound only where it does not repeat without end."""
    text = _of_one(field).string
    pattern = CLASSES_AND_ESCAPES.sub("", text.pattern)
    bounded = any(map(text.HasField, ("max_len", "max_bytes", "len"))) or text.uuid
    assert bounded or (text.HasField("pattern") and not UNBOUNDED.search(pattern))


@every_text
def test_an_id_is_a_uuid(field: FieldDescriptor) -> None:
    if re.search(r"(^|_)ids?$", field.name) and field.full_name not in OWN_NUMBERS:
        assert _of_one(field).string.uuid


@every_text
def test_a_filter_is_no_text(field: FieldDescriptor) -> None:
    """Rule 11: filters are typed messages, and orders are enums."""
    assert not re.search(r"(^|_)(filter|query|where|order_by|sort)$", field.name)


@every_choice
def test_a_choice_is_one_that_exists(field: FieldDescriptor) -> None:
    """Rule 14. A resource's unset fields are refused by its mask, and else mean the default."""
    rules = _of_one(field).enum
    allowed = list(getattr(rules, "in"))
    assert rules.defined_only or allowed
    is_own = field.containing_type in {method.input_type for method in methods()}
    if field.is_repeated or (is_own and REQUIRED in _behaviours(field)):
        assert 0 in rules.not_in or (allowed and 0 not in allowed)


@pytest.mark.parametrize(
    "field",
    [
        each
        for each in SENT
        if each.message_type and _name(each.message_type) in ON_EARTH_OR_PAYABLE
    ],
    ids=_name,
)
def test_a_place_is_on_earth_and_an_amount_can_be_paid(field: FieldDescriptor) -> None:
    """Rule 15."""
    assert field.message_type is not None
    bound = "latitude" if field.message_type.name == "LatLng" else "currency_code"
    assert any(f"this.{bound} " in rule.expression for rule in _of_one(field).cel)


@pytest.mark.parametrize(
    "field",
    sorted(
        {
            *(each for each in SENT if _name(each).startswith("medport.")),
            *(each for message in _resources() for each in message.fields),
        },
        key=_name,
    ),
    ids=_name,
)
def test_a_field_says_who_gives_it(field: FieldDescriptor) -> None:
    """Rule 6, on requests at any depth, and on resources."""
    assert _behaviours(field)


@every_method
def test_what_changes_something_names_the_version_that_was_read(method: MethodDescriptor) -> None:
    """Rule 7: required of what replaces, removes or awards; optional in the other verbs."""
    if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENT:
        return
    etag = method.input_type.fields_by_name.get("etag")
    if any(re.fullmatch(f"{verb}([A-Z].*)?", method.name) for verb in UNVERSIONED):
        return
    assert etag is not None
    replaces = method.name.startswith(("Update", "Delete", "Award"))
    assert _behaviours(etag) == [REQUIRED] if replaces else _behaviours(etag)


@every_method
def test_what_can_be_updated_says_how_old_it_is(method: MethodDescriptor) -> None:
    """Rule 5."""
    if method.name.startswith("Update"):
        [resource] = [each.message_type for each in method.output_type.fields if each.message_type]
        numbers = {field.name: field.number for field in resource.fields}
        assert numbers["id"] == 1
        own = [numbers.get(name) for name in ("create_time", "update_time", "etag")]
        assert own == [13, 14, 15]
