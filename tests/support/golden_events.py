"""The bytes of every event that was ever released, and the program that adds those of a new one.

    python -m tests.support.golden_events

writes, for each type or field that no record shows yet, one more record into tests/golden. A record
that was released is never changed or removed: logs, and the disks of consumers, are full of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct, Value
from medport.common.v1.event_log_pb2 import EventActor, EventMetadata

from tests.support.silo_logs import KINDS, Kind

FOLDER = Path(__file__).parent.parent / "golden"
SECONDS = 1_795_000_000  # 2026-11-18


@dataclass(frozen=True)
class Record:
    """An event as it lies in a log: its type, what it says, and its bytes in hexadecimal."""

    type: str
    says: dict[str, Any]
    bytes: str


def recorded(kind: Kind) -> list[Record]:
    file = _file(kind)
    return [Record(**each) for each in json.loads(file.read_text())] if file.exists() else []


def says(event: Message) -> dict[str, Any]:
    """Give what a message says by the names of its fields; what is unknown is not said."""
    said: dict[str, Any] = MessageToDict(event, preserving_proto_field_name=True)
    return said


def payloads(kind: Kind) -> dict[str, Descriptor]:
    """Give each payload's type by the name of its field."""
    fields = kind.event.DESCRIPTOR.oneofs_by_name["payload"].fields
    return {field.name: field.message_type for field in fields}


def missing(kind: Kind) -> Iterator[tuple[str, set[str]]]:
    """Yield each payload's field of whose type no record shows something, and what that is."""
    records = recorded(kind)
    for field, payload in payloads(kind).items():
        shown = {
            each
            for record in records
            if record.type == payload.full_name
            for each in _set_fields(kind.event.FromString(bytes.fromhex(record.bytes)))
        }
        if unseen := {payload.full_name, *_fields(payload)} - shown:
            yield field, unseen


def complete(kind: Kind, field: str) -> Iterator[Record]:
    """Make events of a type that together show each of its fields."""
    payload = payloads(kind)[field]
    type_name = payload.full_name
    for choice in range(_choices(payload)):
        said = filled(GetMessageClass(payload)(), choice)
        metadata = EventMetadata(
            id=_uuid(type_name),
            source=f"/medport/{kind.silo}",
            type=type_name,
            subject=f"subjects/{_uuid('subject')}",
            subject_version=7,
            correlation_id=_uuid("correlation"),
            causation_id=_uuid("cause"),
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            actor=EventActor(user_id=_uuid("user"), organization_id=_uuid("tenant"), role="ROLE"),
        )
        metadata.time.seconds = SECONDS
        event = kind.event(metadata=metadata, **{field: said})
        data = event.SerializeToString(deterministic=True)
        yield Record(type_name, says(event), data.hex())


def filled(message: Message, choice: int) -> Message:
    """Set every field of ``message`` to a value that follows from its name; of a oneof, one."""
    if isinstance(message, Struct):  # in which anything may be
        message.update({"colour": "red", "seats": 2})
        return message
    if isinstance(message, Value):
        message.string_value = "red"
        return message
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.fields[choice % len(oneof.fields)] != field:
            continue
        if field.message_type is not None:
            own: Any = getattr(message, field.name)
            filled(own.add() if field.is_repeated else own, choice)
        elif field.is_repeated:
            getattr(message, field.name).append(_value(field))
        else:
            setattr(message, field.name, _value(field))
    return message


def _value(field: Any) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return field.name.encode()
        case FieldDescriptor.CPPTYPE_STRING:
            return _uuid(field.name) if field.name.endswith("_id") else field.name
        case FieldDescriptor.CPPTYPE_BOOL:
            return True
        case FieldDescriptor.CPPTYPE_ENUM:
            return field.enum_type.values[-1].number
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return field.number + 0.5
    is_seconds = field.full_name == "google.protobuf.Timestamp.seconds"
    return SECONDS if is_seconds else field.number + 100


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"medport:{name}"))


def _choices(kind: Descriptor) -> int:
    """Return how many messages it takes to show every field: a oneof shows one at a time."""
    own = [len(each.fields) for each in kind.oneofs]
    return max([1, *own, *(_choices(each) for each in _messages(kind))])


def _messages(kind: Any) -> list[Any]:
    """Give the messages inside, but for those that never change."""
    inside = [field.message_type for field in kind.fields if field.message_type is not None]
    return [each for each in inside if not each.full_name.startswith("google.")]


def _fields(kind: Descriptor) -> Iterator[str]:
    for field in kind.fields:
        yield field.full_name
    for each in _messages(kind):
        yield from _fields(each)


def _set_fields(message: Message) -> Iterator[str]:
    """Name the message, and what is set in it."""
    yield message.DESCRIPTOR.full_name
    for field, value in message.ListFields():
        yield field.full_name
        if field.message_type in _messages(message.DESCRIPTOR):
            for each in value if field.is_repeated else [value]:
                yield from _set_fields(each)


def _file(kind: Kind) -> Path:
    return FOLDER / f"{kind.silo}.json"


def main() -> None:
    for kind in KINDS:
        added = [each for field, _ in missing(kind) for each in complete(kind, field)]
        everything = [asdict(each) for each in (*recorded(kind), *added)]
        _file(kind).write_text(json.dumps(everything, indent=1) + "\n")
        print(f"{_file(kind).name}: {len(added)} added, {len(everything)} in all")  # noqa: T201


if __name__ == "__main__":
    main()
