"""Every event that was ever released still says what it said, in the same bytes.

Logs and consumers keep events for years: a field that is removed, renumbered, renamed or retyped
turns this red. What a new event or field looks like is recorded by the program that
tests/support/golden_events.py describes.
"""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message

from tests.support.golden_events import Record, missing, payloads, recorded, says
from tests.support.other_contracts import edited
from tests.support.silo_logs import KINDS, Kind

ADD = "to record it: python -m tests.support.golden_events"
RECORDS = [(kind, each) for kind in KINDS for each in recorded(kind)]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.mark.parametrize(
    ("kind", "record"), RECORDS, ids=[record.type.removeprefix("medport.") for _, record in RECORDS]
)
def test_a_released_event_says_what_it_said(kind: Kind, record: Record) -> None:
    event: Message = kind.event.FromString(bytes.fromhex(record.bytes))
    assert says(event) == record.says
    assert event.SerializeToString(deterministic=True).hex() == record.bytes


@every_kind
def test_every_type_and_field_is_recorded(kind: Kind) -> None:
    unseen = [sorted(fields) for _, fields in missing(kind)]
    assert not unseen, ADD


@every_kind
def test_no_released_type_is_gone(kind: Kind) -> None:
    known = {payload.full_name for payload in payloads(kind).values()}
    assert {record.type for record in recorded(kind)} == known, ADD


@every_kind
@pytest.mark.parametrize("how", ["removed", "renumbered", "renamed"])
def test_a_field_that_is_no_longer_what_it_was_would_show(kind: Kind, how: str) -> None:
    """The negative control: a contract that was broken on purpose reads a record as another."""
    changed = kind.payload().DESCRIPTOR

    def edit(file: FileDescriptorProto) -> None:
        for message in file.message_type:
            if f"{file.package}.{message.name}" == changed.full_name:
                match how:
                    case "removed":
                        del message.field[0]
                    case "renumbered":
                        message.field[0].number = 99
                    case "renamed":
                        message.field[0].name = "another_name"

    [record] = [each for each in recorded(kind) if each.type == changed.full_name]
    event = edited(kind, edit).FromString(bytes.fromhex(record.bytes))
    assert says(event) != record.says
