"""The whole contract as descriptors: every file, message, service and method of ours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import medport.common.v1
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto

GEN = Path(next(iter(medport.common.v1.__path__))).parents[2]
SILOS = ("hospital", "ems", "center")


@cache
def files() -> tuple[FileDescriptor, ...]:
    modules = sorted((GEN / "medport").rglob("*_pb2.py"))
    names = [".".join(path.relative_to(GEN).with_suffix("").parts) for path in modules]
    return tuple(import_module(name).DESCRIPTOR for name in names)


def package(name: str) -> list[FileDescriptor]:
    return [file for file in files() if file.package == name]


def methods() -> list[MethodDescriptor]:
    return [
        method
        for file in files()
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def messages(file: FileDescriptor) -> Iterator[Descriptor]:
    """Give a file's messages, nested ones included, but no map's entries."""
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        waiting += message.nested_types
        if not message.GetOptions().map_entry:
            yield message


def enums(file: FileDescriptor) -> list[EnumDescriptor]:
    nested = [enum for message in messages(file) for enum in message.enum_types]
    return [*file.enum_types_by_name.values(), *nested]


def reachable(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Give every field of ``message`` and of what it holds, at any depth."""
    seen, waiting = {message.full_name}, [message]
    while waiting:
        for field in waiting.pop().fields:
            yield field
            inner = field.message_type
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                waiting.append(inner)


def described(file: FileDescriptor) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    return proto


def option(element: MethodDescriptor | Descriptor, extension: Any) -> Any:
    return element.GetOptions().Extensions[extension]
