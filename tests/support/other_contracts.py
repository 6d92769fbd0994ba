"""A silo's events as another release describes them: messages of a contract that was edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tests.support.silo_logs import Kind

Edit = Callable[[FileDescriptorProto], None]
NEW_TYPE = "NotYetInvented"
NEW_PAYLOAD = 90  # its number; the next free one would not be free for long
NEW_FIELD = 50


def edited(kind: Kind, edit: Edit) -> Any:
    """Return ``<Silo>Event`` of the contract whose files ``edit`` has been at."""
    pool = DescriptorPool()
    _add(pool, kind.file, edit, set())
    return GetMessageClass(pool.FindMessageTypeByName(kind.event.DESCRIPTOR.full_name))


def newer(kind: Kind) -> Any:
    """Return ``<Silo>Event`` of a release with one more payload, and one more field in ``kind``'s.

    The payload is ``not_yet_invented`` with an ``id``; the field is ``colour``.
    """
    known = kind.payload().DESCRIPTOR

    def edit(file: FileDescriptorProto) -> None:
        for message in file.message_type:
            if f"{file.package}.{message.name}" == known.full_name:
                _text(message, "colour", NEW_FIELD)
        if file.name == kind.file.name:
            _text(file.message_type.add(name=NEW_TYPE), "id", 1)
            event = next(each for each in file.message_type if each.name == kind.event.__name__)
            event.field.add(
                name="not_yet_invented",
                number=NEW_PAYLOAD,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=f".{file.package}.{NEW_TYPE}",
                label=FieldDescriptorProto.LABEL_OPTIONAL,
                oneof_index=[each.name for each in event.oneof_decl].index("payload"),
            )

    return edited(kind, edit)


def _text(message: DescriptorProto, name: str, number: int) -> None:
    message.field.add(
        name=name,
        number=number,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )


def _add(pool: DescriptorPool, file: Any, edit: Edit, done: set[str]) -> None:
    """Add ``file`` behind what it imports."""
    if file.name in done:
        return
    done.add(file.name)
    for each in file.dependencies:
        _add(pool, each, edit, done)
    described = FileDescriptorProto()
    file.CopyToProto(described)
    edit(described)
    pool.AddSerializedFile(described.SerializeToString())
