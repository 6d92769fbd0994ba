"""Follows another silo's event log: each event has its effect here once, in the log's order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError, Message
from medport.common.v1.event_log_pb2 import EventMetadata, EventPlacement

from chassis.projection_decoding import Unreadable
from chassis.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Received:
    """One event of another silo; ``payload`` is one of its events package's messages."""

    payload: Message
    metadata: EventMetadata
    placement: EventPlacement


async def no_turn(_: UnitOfWork) -> None:
    """Take none: what this following writes, no other following writes."""


# Applies one event with ``uow`` and nothing else, ignores payloads of other nouns, and changes
# nothing when the event was applied before. It turns to a tenant with ``uow.use_tenant``.
Project = Callable[[UnitOfWork, Received], Awaitable[None]]


# Writes the copy of one row that a snapshot shows, whatever version is here, and returns the name
# that it is noted under; None for a row that is not copied.
Overwrite = Callable[[UnitOfWork, Received], Awaitable[str | None]]

# Takes away every copy of ``source``'s rows that ``consumer`` did not note: ``sweep(uow, consumer,
# source)``; ``chassis.copies`` makes the statement for it.
Sweep = Callable[[UnitOfWork, str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """How copies are made anew from the source's current rows: nothing else may depend on them."""

    overwrite: Sequence[Overwrite]
    sweep: Sequence[Sweep]


class Policy(Enum):
    """What becomes of an event that cannot be applied."""

    PARK_SUBJECT = "park it and what follows of its subject; everything else flows"
    HALT = "stop until an operator decides: its effect is felt across subjects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """One silo's following of another: ``file`` is the other's ``event_log_pb2.DESCRIPTOR``.

    ``consumer`` names it in both databases, such as ``ems``. ``types`` narrows what is asked for
    to these full names; none means all that this silo may see. ``projects`` are called for each
    event in their order; ``bookmarked`` is told the source's clock whenever everything that it had
    announced by then has had its effect here. ``turn`` begins each of its transactions: followings
    that write the same rows take turns there.

    What its log has lost, the source's current rows stand in for if ``rebuild`` says how. Where
    they do not, ``without_log`` says why: the consumer halts, and an operator reads it.
    """

    source: str
    consumer: str
    file: FileDescriptor
    projects: Sequence[Project]
    policy: Policy = Policy.PARK_SUBJECT
    types: Sequence[str] = ()
    heartbeat_seconds: float = 5.0
    turn: Callable[[UnitOfWork], Awaitable[None]] = no_turn
    bookmarked: Callable[[datetime], None] = lambda _: None
    rebuild: Rebuild | None = None
    without_log: str = ""


def types_of(*nouns: FileDescriptor) -> list[str]:
    """Name what a source announces and shows of ``nouns``: the messages of their files."""
    return [each.full_name for noun in nouns for each in noun.message_types_by_name.values()]


def received(event: Any) -> Received | None:
    """Unwrap a ``<Silo>Event``; None when its payload is of a type this process does not know.

    Raises DecodeError for an unreadable one.
    """
    if isinstance(event, Unreadable):
        raise DecodeError("an unreadable event")
    field = event.WhichOneof("payload")
    if field is None:
        return None
    return Received(getattr(event, field), event.metadata, event.placement)
