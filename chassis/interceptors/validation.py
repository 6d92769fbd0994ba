"""Parses requests and holds them to the contract's rules, after authorisation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from protovalidate import EvaluationError, Validator, Violation

from chassis import telemetry, wire_values
from chassis.errors import InvalidArgument
from chassis.interceptors import access
from chassis.interceptors.guards import Rpc

_validator = Validator()  # one, warm: a fresh one costs a thousand times a validation


class MalformedRequest(InvalidArgument):
    """The bytes are not the message that the method takes."""

    reason = "MALFORMED_REQUEST"


async def guard(rpc: Rpc) -> None:
    """Turn the request's bytes into a valid message, or each of a stream's when it arrives."""
    parse: Callable[[Rpc, Any], Any] = _each if rpc.method.streams_requests else _valid
    rpc.request = parse(rpc, rpc.request)


async def _each(rpc: Rpc, raws: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    async for raw in raws:
        rpc.series.received()
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
    # A rule that compares an impossible time would fail, not refuse.
    broken = wire_values.unfit_values(message) or violations(message)
    if b"\0" in raw:  # most requests hold no zero byte at all, and then no NUL either
        broken |= wire_values.texts_with_nul(message)
    if broken:
        raise InvalidArgument("the request breaks rules of the contract", violations=broken)
    return message


def violations(message: Message) -> dict[str, str]:
    """Return what in ``message`` breaks rules of the contract, by the field's path."""
    found = _checked(message)
    told = {_path(each, message.DESCRIPTOR): each.proto.message for each in found}
    return wire_values.blank_texts(message) | told


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


def _path(violation: Violation, descriptor: Any) -> str:
    """Write a field's path as the contract's users would: ``filter.types[0]``.

    A rule over several fields says by its id which one to mend: ``shift_end_time.order``.
    """
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
        field = descriptor and descriptor.fields_by_name.get(element.field_name)
        descriptor = field and field.message_type  # a oneof, which may be named too, has none
    name, _, rule = (violation.proto.rule_id or "").partition(".")
    if rule and descriptor is not None and name in descriptor.fields_by_name:
        return f"{path}.{name}" if path else name
    return path
