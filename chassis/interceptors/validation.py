"""Parses requests and holds them to the contract's rules, after authorisation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from protovalidate import EvaluationError, Validator, Violation

from chassis import telemetry
from chassis.errors import InvalidArgument
from chassis.interceptors import access
from chassis.interceptors.guards import Rpc

_validator = Validator()  # one, warm: a fresh one costs a thousand times a validation


class MalformedRequest(InvalidArgument):
    """The bytes are not the message that the method takes."""

    reason = "MALFORMED_REQUEST"


@asynccontextmanager
async def guard(rpc: Rpc) -> AsyncIterator[None]:
    """Turn the request's bytes into a valid message, or each of a stream's when it arrives."""
    parse: Callable[[Rpc, Any], Any] = _each if rpc.method.streams_requests else _valid
    rpc.request = parse(rpc, rpc.request)
    yield


async def _each(rpc: Rpc, raws: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    async for raw in raws:
        yield _valid(rpc, raw)


def _valid(rpc: Rpc, raw: bytes) -> Message:
    """Parse and check one message; raises MalformedRequest or InvalidArgument with every violation.

    Unknown fields are ignored: a newer client may send them.
    """
    try:
        message: Message = rpc.parse(raw)
    except (DecodeError, ValueError, RecursionError):
        # Without its cause: the decoder's text quotes the bytes it stumbled over.
        raise MalformedRequest("the bytes are not the message that the method takes") from None
    access.own_tenant(rpc, message)
    broken = violations(message)
    if b"\0" in raw:  # most requests hold no zero byte at all, and then no NUL either
        broken |= dict.fromkeys(_with_nul(message), "must not contain NUL")
    if broken:
        raise InvalidArgument("the request breaks rules of the contract", violations=broken)
    return message


def violations(message: Message) -> dict[str, str]:
    """Return what in ``message`` breaks rules of the contract, by the field's path."""
    return {_path(each): each.proto.message for each in _checked(message)}


def warm_up(services: Iterable[str]) -> None:
    """Compile the rules of what ``services`` take, before the first caller has to wait for it."""
    pool = descriptor_pool.Default()
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            with suppress(EvaluationError):  # of an empty message, which nobody sent
                _validator.collect_violations(message_factory.GetMessageClass(method.input_type)())


def _checked(message: Message) -> list[Violation]:
    try:
        return _validator.collect_violations(message)
    except EvaluationError as error:  # an overflow, say: the rule is imperfect, and so is the value
        telemetry.fault(error, message=message.DESCRIPTOR.full_name)
        raise InvalidArgument("a rule of the contract cannot be applied to the request") from None


def _path(violation: Violation) -> str:
    """Write a field's path as the contract's users would: ``filter.types[0]``."""
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path


def _with_nul(message: Message, prefix: str = "") -> Iterator[str]:
    """Find the text fields that hold a NUL, which PostgreSQL cannot store."""
    for field, value in message.ListFields():
        for path, each in _values(field, value, f"{prefix}{field.name}"):
            if isinstance(each, Message):
                yield from _with_nul(each, f"{path}.")
            elif isinstance(each, str) and "\0" in each:
                yield path


def _values(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give a field's single values, a map's keys included, each with its path."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for index, key in enumerate(value):
            yield f"{path}[{index}]", key
            yield f"{path}[{index}]", value[key]
    elif field.is_repeated:
        for index, each in enumerate(value):
            yield f"{path}[{index}]", each
    else:
        yield path, value
