"""Frames of Subscribe as bytes: joined, never parsed, and shared between equal streams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import event_log_pb2

from chassis.resume_tokens import Lineage
from chassis.stream_entries import Entry, varint

# Tags of SubscribeResponse: number << 3 | 2 (length-delimited), or | 0 (varint).
_FRAMES: dict[type[Message], bytes] = {
    event_log_pb2.Started: b"\x0a",
    event_log_pb2.Bookmark: b"\x1a",
    event_log_pb2.CaughtUp: b"\x22",
    event_log_pb2.FellBehind: b"\x2a",
    event_log_pb2.SnapshotEnd: b"\x32",
    event_log_pb2.StreamEnd: b"\x3a",
}
_BATCH = b"\x12"
_CONTINUES = b"\x10\x01"  # EventBatch.transaction_continues = true
_TOKEN = b"\x6a"
_POSITION = b"\x70"
_PREVIOUS = b"\x78"

SHARED = 256
# Frames of a burst are a quarter of a megabyte each: 256 of them were 64 MB (measured).
SHARED_BYTES = 4 * 1024 * 1024
IN_FLIGHT_BYTES = 16 * 1024 * 1024
SMALL_EVENT_BYTES = 256  # a page of more events than fit into the frame would be read in vain


@dataclass(frozen=True, slots=True)
class Limits:
    """What fits into one batch; a single event always does."""

    events: int = 500
    bytes: int = 256 * 1024

    def among(self, streams: int) -> Limits:
        """Return what one of ``streams`` may hold, so that all of them hold little together.

        A reader that stalls keeps one frame in memory for as long as it does. Rounded down to a
        power of two: streams that open and close must not make equal frames differ.
        """
        share = 1 << (IN_FLIGHT_BYTES // max(streams, 1)).bit_length() - 1
        if share >= self.bytes:
            return self
        return Limits(min(self.events, share // SMALL_EVENT_BYTES), share)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The matching entries of a stretch of the log, which ends at ``end``."""

    entries: Sequence[Entry]
    end: int
    continues: bool


def cut(matching: Sequence[Entry], after: int, end: int, limits: Limits) -> Chunk:
    """Take as much of ``(after, end]`` as one frame may hold, and only whole transactions.

    ``matching`` are all entries of that stretch that the stream delivers. A transaction that
    begins the stretch and does not fit is cut, and marked as going on.
    """
    fitting = _fitting(matching, limits)
    if fitting < len(matching):
        end = matching[fitting].position - 1
    taken = matching[:fitting]
    if not taken or taken[-1].tx_last <= end:
        return Chunk(taken, end, continues=False)
    before = taken[-1].tx_first - 1
    if before > after:
        return Chunk([each for each in taken if each.position <= before], before, continues=False)
    return Chunk(taken, end, continues=True)


def _fitting(matching: Sequence[Entry], limits: Limits) -> int:
    size = 0
    for count, entry in enumerate(matching):
        size += len(entry.wire)
        if count and (count == limits.events or size > limits.bytes):
            return count
    return len(matching)


def batch(chunk: Chunk, previous: int, lineage: Lineage) -> bytes:
    wires = [entry.wire for entry in chunk.entries]
    if chunk.continues:
        wires.append(_CONTINUES)
    return _framed(_BATCH, b"".join(wires), chunk.end, previous, lineage)


def control(message: Message, position: int, previous: int, lineage: Lineage) -> bytes:
    tag = _FRAMES[type(message)]
    return _framed(tag, message.SerializeToString(), position, previous, lineage)


def unplaced(message: Message) -> bytes:
    """Frame what nobody can resume behind: it lies before the end of a snapshot."""
    return _body(_FRAMES[type(message)], message.SerializeToString())


def unplaced_batch(entries: Sequence[Entry]) -> bytes:
    return _body(_BATCH, b"".join(entry.wire for entry in entries))


def _framed(tag: bytes, body: bytes, position: int, previous: int, lineage: Lineage) -> bytes:
    token = lineage.token(position)
    parts = (_body(tag, body), _TOKEN, varint(len(token)), token)
    return b"".join((*parts, _number(_POSITION, position), _number(_PREVIOUS, previous)))


def _body(tag: bytes, body: bytes) -> bytes:
    return b"".join((tag, varint(len(body)), body))


def _number(tag: bytes, value: int) -> bytes:
    return tag + varint(value) if value else b""  # proto3 leaves zeros out


def now() -> Timestamp:
    moment = Timestamp()
    moment.GetCurrentTime()
    return moment


def duration(seconds: float) -> Duration:
    length = Duration()
    length.FromMilliseconds(int(seconds * 1000))
    return length


class SharedFrames:
    """The latest frames by what determines them: a thousand equal streams share one object."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Chunk, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], tuple[Chunk, bytes]]) -> tuple[Chunk, bytes]:
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = make()
            self._bytes += len(kept[1])
            while len(self._kept) > SHARED or self._bytes > SHARED_BYTES:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._bytes -= len(oldest)
        return kept
