"""The rules of the contract that buf cannot know, on every element of every proto.

Proves contract.md 1.3 (rules 2, 4, 5, 8, 9, 10, 14, 16, 17), the access rule of every method, who
imports whom, and that the three event logs mirror one another. No I/O.
"""

from __future__ import annotations

from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)
from google.protobuf.descriptor_pb2 import MethodOptions
from medport.common.v1 import access_pb2, event_audience_pb2

from tests.support.contract import (
    SILOS,
    described,
    enums,
    files,
    messages,
    methods,
    option,
    package,
    reachable,
)

RULES: Any = vars(validate_pb2)["field"]  # made at run time: no checker sees it
READS = (
    *("Get", "List", "BatchGet", "Watch", "Subscribe", "Query", "Check", "Export", "Verify"),
    *("Evaluate", "Render"),
)
# Rule 8: sessions answer with secrets, progress is repeated anyway, uploads count by message.
WITHOUT_REQUEST_ID = ("SessionService", "EventLogService")
# A copy of another silo's rows, whose times are that silo's; a value, which is set, not created.
UNCREATED = {"medport.hospital.v1.ReceivedBid", "medport.center.v1.SystemConfiguration"}
TENANTS = ("hospital_id", "agency_id", "organization_id")


def _short(element: Any) -> str:
    return str(element.full_name).removeprefix("medport.")


every_method = pytest.mark.parametrize("method", methods(), ids=_short)
every_request = pytest.mark.parametrize(
    "message", [method.input_type for method in methods()], ids=_short
)
every_message = pytest.mark.parametrize(
    "message", [message for file in files() for message in messages(file)], ids=_short
)
every_enum = pytest.mark.parametrize(
    "enum", [enum for file in files() for enum in enums(file)], ids=_short
)


@every_method
def test_a_method_has_an_access_rule(method: MethodDescriptor) -> None:
    rule = option(method, access_pb2.access)
    assert rule.anonymous is not bool(rule.grants), "anonymous, or for whom it names"
    for grant in rule.grants:
        assert grant.roles
        assert grant.scope != access_pb2.SCOPE_UNSPECIFIED
        assert access_pb2.ROLE_UNSPECIFIED not in grant.roles


@every_method
def test_a_method_says_whether_it_may_be_repeated(method: MethodDescriptor) -> None:
    options = method.GetOptions()
    assert options.HasField("idempotency_level")
    reads = options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    assert reads is method.name.startswith(READS), method.name


@every_method
def test_messages_are_named_after_their_method(method: MethodDescriptor) -> None:
    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"


@every_method
def test_what_changes_something_carries_a_request_id(method: MethodDescriptor) -> None:
    reads = method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    exempt = method.containing_service.name in WITHOUT_REQUEST_ID or method.client_streaming
    known = method.input_type.fields_by_name.get("request_id")
    if reads or exempt:
        assert known is None
        return
    assert known is not None
    assert known.GetOptions().Extensions[RULES].string.uuid
    level = method.GetOptions().idempotency_level
    assert level == MethodOptions.IDEMPOTENT


@every_request
def test_the_tenant_comes_first(message: Descriptor) -> None:
    """A router reads the shard key from the first bytes."""
    named = [name for name in TENANTS if name in message.fields_by_name]
    if len(named) == 1:
        assert message.fields_by_name[named[0]].number == 1


@every_message
def test_pages_have_one_shape(message: Descriptor) -> None:
    size, token = (message.fields_by_name.get(name) for name in ("page_size", "page_token"))
    assert (size is None) is (token is None)
    if size is None or token is None:
        return
    assert size.type == FieldDescriptor.TYPE_INT32
    assert token.type == FieldDescriptor.TYPE_STRING
    assert size.GetOptions().Extensions[RULES].int32.gte == 0
    answer = message.file.message_types_by_name[message.name.removesuffix("Request") + "Response"]
    assert answer.fields_by_name["next_page_token"].type == FieldDescriptor.TYPE_STRING


@every_message
def test_a_resources_own_fields_have_their_numbers(message: Descriptor) -> None:
    if "etag" not in message.fields_by_name or "id" not in message.fields_by_name:
        return
    if message.full_name in UNCREATED:
        return
    known = {name: field.number for name, field in message.fields_by_name.items()}
    assert known["id"] == 1
    assert (known.get("create_time"), known.get("update_time"), known["etag"]) == (13, 14, 15)


@every_message
def test_times_end_in_time(message: Descriptor) -> None:
    if message.full_name == "medport.common.v1.EventMetadata":
        return  # its names are those of CloudEvents
    for field in message.fields:
        kind = field.message_type
        if kind is not None and kind.full_name == "google.protobuf.Timestamp":
            assert field.name.endswith("_time"), field.full_name


@every_request
def test_what_callers_send_is_bounded(message: Descriptor) -> None:
    """Rule 16: every list has a maximum; ``test_contract_requests`` has the texts."""
    for field in reachable(message):
        holder = field.containing_type
        assert holder is not None
        if not holder.full_name.startswith("medport."):
            continue
        behaviours = field.GetOptions().ListFields()
        if any(each.name == "field_behavior" and 3 in value for each, value in behaviours):
            continue  # OUTPUT_ONLY: ignored when a caller sends it
        if holder.GetOptions().map_entry:
            continue  # its bounds stand at the map
        rules = field.GetOptions().Extensions[RULES]
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            assert rules.map.max_pairs, field.full_name
        elif field.is_repeated:
            assert 0 < rules.repeated.max_items <= 500, field.full_name


@every_enum
def test_enums_begin_with_unspecified_and_carry_their_prefix(enum: EnumDescriptor) -> None:
    first = enum.values_by_number[0].name
    assert first.endswith("_UNSPECIFIED")
    prefix = first.removesuffix("UNSPECIFIED")
    assert all(value.name.startswith(prefix) for value in enum.values)


@pytest.mark.parametrize("silo", SILOS)
def test_no_event_reaches_what_is_redacted(silo: str) -> None:
    """Rule 17: nothing about a patient, and no secret, leaves its silo in an event."""
    for file in package(f"medport.{silo}.events.v1"):
        for message in messages(file):
            for field in reachable(message):
                assert not field.GetOptions().debug_redact, field.full_name


@pytest.mark.parametrize("silo", SILOS)
def test_the_event_logs_mirror_one_another(silo: str) -> None:
    assert _event_log(silo) == _event_log("hospital")


def _event_log(silo: str) -> dict[str, Any]:
    """Give a log's service, messages, fields and numbers, but for the payloads."""
    file = _log(silo)
    own = f"{silo.capitalize()}Event"
    service = file.services_by_name["EventLogService"]
    shapes = {
        message.name.replace(own, "Event"): {
            field.name: (field.number, field.type, field.is_repeated)
            for field in message.fields
            if field.containing_oneof is None or field.containing_oneof.name != "payload"
        }
        for message in messages(file)
    }
    calls = {
        method.name: (method.client_streaming, method.server_streaming, _grants(method))
        for method in service.methods
    }
    return {"messages": shapes, "methods": calls}


def _grants(method: MethodDescriptor) -> set[tuple[int, int]]:
    rule = option(method, access_pb2.access)
    return {(role, grant.scope) for grant in rule.grants for role in grant.roles}


@pytest.mark.parametrize("silo", SILOS)
def test_payloads_number_from_sixteen_and_snapshots_from_a_hundred(silo: str) -> None:
    event = _log(silo).message_types_by_name[f"{silo.capitalize()}Event"]
    for field in _payloads(event):
        assert field.number >= 16
        assert (field.number >= 100) is field.name.endswith("_snapshot")


def test_payloads_say_who_can_hear_them_and_nothing_else_does() -> None:
    heard: dict[str, set[int]] = {
        message.full_name: set(option(message, event_audience_pb2.heard_by))
        for file in files()
        for message in messages(file)
    }
    events = [_log(silo).message_types_by_name[f"{silo.capitalize()}Event"] for silo in SILOS]
    payloads = {each.message_type.full_name for event in events for each in _payloads(event)}
    assert {name for name, audiences in heard.items() if audiences} == payloads
    assert all(event_audience_pb2.EVENT_AUDIENCE_UNSPECIFIED not in each for each in heard.values())


@pytest.mark.parametrize("silo", SILOS)
def test_the_trail_is_heard_by_center_alone(silo: str) -> None:
    """Administrators read their organisation's entries there, and nobody else of it does."""
    event = _log(silo).message_types_by_name[f"{silo.capitalize()}Event"]
    trail = {each.message_type.name: each.message_type for each in _payloads(event)}
    assert set(option(trail["AccessAudited"], event_audience_pb2.heard_by)) == {
        event_audience_pb2.EVENT_AUDIENCE_CENTER_SILO,
        event_audience_pb2.EVENT_AUDIENCE_CENTER_ADMINISTRATORS,
    }


def _payloads(event: Descriptor) -> Any:
    return event.oneofs_by_name["payload"].fields


def _log(silo: str) -> FileDescriptor:
    logs = package(f"medport.{silo}.events.v1")
    return next(file for file in logs if file.name.endswith("event_log.proto"))


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.name))
def test_packages_import_what_they_may(file: FileDescriptor) -> None:
    words = file.package.split(".")
    allowed = {file.package, "medport.common.v1"}
    if words[1] == "router":
        allowed |= {f"medport.{silo}.v1" for silo in SILOS}
    ours = {each.package for each in file.dependencies if each.package.startswith("medport.")}
    assert ours <= allowed
    assert file.name == f"{file.package.replace('.', '/')}/{file.name.rpartition('/')[2]}"


@pytest.mark.parametrize("silo", [*SILOS, "router", "common"])
def test_a_package_has_one_list_of_reasons(silo: str) -> None:
    named = [
        enum.name
        for file in package(f"medport.{silo}.v1")
        for enum in enums(file)
        if enum.name == "ErrorReason"
    ]
    assert named == ["ErrorReason"]


def test_services_are_one_per_file() -> None:
    for file in files():
        assert len(described(file).service) <= 1, file.name
