"""Reads frames of another silo so that one unreadable event does not hide all the others.

gRPC would fail the whole stream for it, again after every reconnect: the event has to be found and
given up by itself, as any other that cannot be applied. The log vouches for its place, whatever the
writer left in it: the tailer appends the placement behind the writer's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from medport.common.v1.event_log_pb2 import EventMetadata, EventPlacement

from chassis.event_contract import EventContract

_BATCH, _TOKEN, _POSITION, _PREVIOUS = 2, 13, 14, 15  # of SubscribeResponse
_EVENTS = 1  # of EventBatch
_METADATA = 1  # of <Silo>Event
_PLACEMENT_TAG = 0x12
_MOST_PLACEMENT = 100  # bytes; one length byte tells of up to 127


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that is no message of the contract; ``metadata`` is empty where that is not."""

    wire: bytes
    metadata: EventMetadata
    placement: EventPlacement

    def SerializeToString(self) -> bytes:  # noqa: N802 - as a message's
        return self.wire


@dataclass(frozen=True, slots=True)
class Batch:
    events: list[Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """A batch's frame in which some event is unreadable; otherwise as a SubscribeResponse."""

    batch: Batch
    position: int
    previous_position: int
    resume_token: bytes

    def WhichOneof(self, _: str) -> str:  # noqa: N802 - as a message's
        return "batch"

    def HasField(self, name: str) -> bool:  # noqa: N802 - as a message's
        return name == "batch"


def frame_reader(contract: EventContract) -> Callable[[bytes], Any]:
    """Return what reads a SubscribeResponse, or a Frame where some of its events are unreadable.

    Raises DecodeError where the frame itself is.
    """

    def read(wire: bytes) -> Any:
        try:
            return contract.subscribe_response.FromString(wire)
        except DecodeError:
            return _frame(wire, contract)

    return read


def _frame(wire: bytes, contract: EventContract) -> Frame:
    fields = dict(_fields(wire))
    if _BATCH not in fields:
        raise DecodeError("a frame of no known form")
    events = [each for number, each in _fields(fields[_BATCH]) if number == _EVENTS]
    position = fields.get(_POSITION, 0)
    return Frame(
        Batch([_event(each, contract, is_placed=position > 0) for each in events]),
        position=position,
        previous_position=fields.get(_PREVIOUS, 0),
        resume_token=fields.get(_TOKEN, b""),
    )


def _event(wire: bytes, contract: EventContract, *, is_placed: bool) -> Any:
    """Read an event, which has a place unless it is a snapshot's."""
    try:
        return contract.event.FromString(wire)
    except DecodeError:
        placement = _placement(wire) if is_placed else EventPlacement()
        return Unreadable(wire, _metadata(wire), placement)


def _metadata(wire: bytes) -> EventMetadata:
    """Read who and what it was about, as far as that can be read."""
    try:
        return EventMetadata.FromString(dict(_fields(wire)).get(_METADATA, b""))
    except DecodeError:
        return EventMetadata()


def _placement(wire: bytes) -> EventPlacement:
    """Find the placement at the end: a tag, a length that reaches to the end, and that much."""
    for at in range(len(wire) - 2, max(len(wire) - _MOST_PLACEMENT, 0) - 1, -1):
        if wire[at] == _PLACEMENT_TAG and wire[at + 1] == len(wire) - at - 2:
            try:
                found = EventPlacement.FromString(wire[at + 2 :])
            except DecodeError:
                continue
            if found.position and found.transaction_size:
                return found
    raise DecodeError("an event without its place")


def _fields(wire: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and value of each field of whatever message it is."""
    fields: Any = UnknownFieldSet(Empty.FromString(wire))  # its stubs do not know that it iterates
    for field in fields:
        yield field.field_number, field.data
