"""The shapes that callers rely on: versions, masks, pages, watches, marks, and honest comments.

Proves contract.md 1.3 (rules 2, 3, 10, 11, 12, 17, 18, 22) on every method and message. No I/O
but the descriptor set, which has the comments.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.support.contract import enums, files, messages, methods

BEHAVIOUR: Any = vars(field_behavior_pb2)["field_behavior"]  # made at run time
REQUIRED, INPUT_ONLY = 2, 4
# The key set of a silo: a handful of keys, which a verifier needs whole.
UNPAGED = {"ListVerificationKeys", "ListRoutes"}
# What narrowed a list before the rule: a field stays within its major, and gets no second way.
OLDER_THAN_FILTERS = {
    "statuses",  # of ListReceivedBids
    "only_unread",  # of ListNotifications
    "template_name",  # of ListNotificationTemplates
    "transport_request_id",  # of ListBreakGlassGrants
}
WHERE_IT_LOOKS = {"organization_id", "hospital_id", "agency_id", "user_id"}  # not what, but whose
# Words that join two thoughts: an RPC that needs one does two things (rule 3).
JOINING = {"And", "Or", "By", "For", "From", "To", "With", "In", "On", "Of", "At", "Async"}
# domain.md 1: what is PHI, and free text that may hold some; secrets are marked alike.
ABOUT_PATIENTS = {
    "patient_id",
    "special_requirements",
    "origin_detail",
    "destination_detail",
    "cancellation_note",
}
# Free text about a trip, which may name its patient; other notes are about no trip.
NOTES_ON_TRIPS = {
    "medport.hospital.v1.TripHistory.notes",
    "medport.hospital.v1.CancelTransportRequestRequest.note",
    "medport.hospital.v1.DivertTransportRequestRequest.note",
    "medport.hospital.v1.ConfirmPatientReceiptRequest.note",
    "medport.hospital.v1.GrantBreakGlassRequest.reason",
    "medport.hospital.v1.BreakGlassGrant.reason",
}
SECRETS = re.compile(r"(^|_)(password|access_token|refresh_token|invitation_token)$")
ERRORS = re.compile(r"\bErrors: (.*)\Z", re.DOTALL)
SHOUTED = re.compile(r"(`?)\b([A-Z][A-Z_]{3,})\b`?")
IMAGE = Path(__file__).resolve().parents[2] / "build" / "medport.binpb"

every_method = pytest.mark.parametrize("method", methods(), ids=lambda each: str(each.full_name))
every_stream = pytest.mark.parametrize(
    "method",
    [method for method in methods() if method.server_streaming],
    ids=lambda each: str(each.full_name),
)
every_message = pytest.mark.parametrize(
    "message",
    [message for file in files() for message in messages(file)],
    ids=lambda each: str(each.full_name),
)


def _behaviours(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[BEHAVIOUR])


def _fields(message: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.name: field for field in message.fields}


@every_method
def test_an_update_names_what_it_changes(method: MethodDescriptor) -> None:
    mask = _fields(method.input_type).get("update_mask")
    assert (mask is not None) is method.name.startswith("Update")
    if mask is not None and mask.message_type is not None:
        assert mask.message_type.full_name == "google.protobuf.FieldMask"
        assert _behaviours(mask) == [REQUIRED]


@every_method
def test_a_list_comes_in_pages(method: MethodDescriptor) -> None:
    if method.name.startswith("List") and method.name not in UNPAGED:
        assert "page_token" in _fields(method.input_type)


@every_method
def test_a_list_is_narrowed_by_one_message(method: MethodDescriptor) -> None:
    """Rule 11: beside whose list it is, and its page, a List takes a filter and nothing else."""
    if not method.name.startswith("List"):
        return
    known = {"page_size", "page_token"} | WHERE_IT_LOOKS | OLDER_THAN_FILTERS
    for name, field in _fields(method.input_type).items():
        if name == "filter":
            assert field.message_type is not None
            assert field.message_type.name.endswith("Filter")
        else:
            assert name in known or REQUIRED in _behaviours(field)


@every_method
def test_a_get_returns_what_it_is_named_after(method: MethodDescriptor) -> None:
    """Rule 2: the resource is a field of the answer, not the answer."""
    if method.name.startswith(("Get", "Create", "Update")):
        first = method.output_type.fields_by_number[1]
        assert first.type == FieldDescriptor.TYPE_MESSAGE


@every_method
def test_a_method_does_one_thing(method: MethodDescriptor) -> None:
    assert not JOINING & set(re.findall(r"[A-Z][a-z]*", method.name))


@every_stream
def test_a_watch_says_where_to_resume_and_why_it_ends(method: MethodDescriptor) -> None:
    if method.name.startswith("Watch"):
        frame = {"snapshot_end", "heartbeat", "stream_end", "resume_token"}
        assert frame <= set(_fields(method.output_type))
        assert "resume_token" in _fields(method.input_type)


@every_message
def test_what_is_about_a_patient_or_secret_is_marked(message: Descriptor) -> None:
    """Rule 17: from the mark derive redaction, the canaries and what events may hold."""
    for field in message.fields:
        is_free_text = field.full_name in NOTES_ON_TRIPS
        if is_free_text or field.name in ABOUT_PATIENTS or SECRETS.search(field.name):
            assert field.GetOptions().debug_redact, field.full_name
        if field.name.endswith("password"):
            assert INPUT_ONLY in _behaviours(field), field.full_name


@cache
def _comments() -> dict[str, str]:
    """Return what the contract says of each method, by its full name."""
    said = {}
    for file in FileDescriptorSet.FromString(IMAGE.read_bytes()).file:
        if not file.name.startswith("medport/"):
            continue
        texts = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}
        for service_at, service in enumerate(file.service):
            for at, method in enumerate(service.method):
                name = f"{file.package}.{service.name}.{method.name}"
                said[name] = texts.get((6, service_at, 2, at), "")
    return said


@cache
def _reasons() -> frozenset[str]:
    return frozenset(
        value.name.removeprefix("ERROR_REASON_")
        for file in files()
        for enum in enums(file)
        if enum.name == "ErrorReason"
        for value in enum.values
    )


@every_method
def test_a_comment_promises_only_codes_and_reasons_that_exist(method: MethodDescriptor) -> None:
    """Rule 22: a reason stands in `backticks`, behind its code."""
    told = ERRORS.search(_comments()[method.full_name])
    assert told, "what can go wrong?"
    codes = set(grpc.StatusCode.__members__)
    for quote, word in SHOUTED.findall(told.group(1)):
        if quote:
            assert word in _reasons(), word
        elif "_" in word or word in codes:
            assert word in codes, word
