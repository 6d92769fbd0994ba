"""Events as the log serves them: bytes that are ready to travel, and what decides to whom."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1.event_log_pb2 import EventPlacement

from chassis.auth import Principal

# Field numbers of the contract, as tags of the wire format: number << 3 | 2 (length-delimited).
_EVENTS_TAG = b"\x0a"  # EventBatch.events and ListEventsResponse.events = 1
_PLACEMENT_TAG = b"\x12"  # <Silo>Event.placement = 2
_OVERHEAD = 400  # bytes that an entry costs beyond its wire form

# The moment as microseconds: a datetime, made to be taken apart again, costs three times as much.
COLUMNS = (
    "position, epoch, tx_first, tx_index, tx_size, type, subject, audience, data,"
    " (date_part('epoch', recorded_at) * 1e6)::bigint"
)


class Entry(NamedTuple):
    """One event; ``wire`` is one element of a repeated field, ready to be joined to others."""

    position: int
    epoch: int
    tx_first: int
    tx_last: int
    type: str
    subject: str
    audience: frozenset[str]
    wire: bytes

    @property
    def size(self) -> int:
        return len(self.wire) + _OVERHEAD


@dataclass(frozen=True, slots=True)
class Interest:
    """Which events one stream delivers: those its caller may see and its filter asks for."""

    keys: frozenset[str]
    types: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()

    def covers(self, entry: Entry) -> bool:
        return (
            not self.keys.isdisjoint(entry.audience)
            and (not self.types or entry.type in self.types)
            and (not self.subjects or entry.subject in self.subjects)
        )


# By silo: what its tenants are, and which of their roles hear all of them: bids with their prices,
# where each unit is. Crews and billing read less (domain.md, section 6), each by RPCs of their own.
_TENANTS = {
    "hospital": (
        "hospital",
        frozenset({"HOSPITAL_STAFF", "HOSPITAL_CASE_MANAGER", "HOSPITAL_ADMIN"}),
    ),
    "ems": ("agency", frozenset({"EMS_DISPATCHER", "EMS_ADMIN"})),
}


@lru_cache(maxsize=2_048)  # every stream asks again every few seconds, and keeps the answer
def keys(principal: Principal) -> frozenset[str]:
    """Return the audiences that ``principal`` belongs to.

    ``silo:ems`` is the process, not its users: a dispatcher hears what its agency may hear.
    """
    if "SERVICE" in principal.roles:
        return frozenset({f"silo:{principal.silo}"})
    held = {f"role:{role.lower()}" for role in principal.roles}
    if principal.tenant_id is not None and principal.silo in _TENANTS:
        owner, hearing = _TENANTS[principal.silo]
        if not hearing.isdisjoint(principal.roles):
            held.add(f"{owner}:{principal.tenant_id}")
    return frozenset(held)


def entry(  # noqa: PLR0917 - a row's columns, in their order
    position: int,
    epoch: int,
    tx_first: int,
    tx_index: int,
    tx_size: int,
    type: str,
    subject: str,
    audience: Sequence[str],
    data: bytes,
    recorded_at: int,
) -> Entry:
    """Build it from a row of ``COLUMNS``: the placement is appended, no payload is parsed."""
    placement = EventPlacement(
        position=position,
        epoch=epoch,
        transaction_first=tx_first,
        transaction_index=tx_index,
        transaction_size=tx_size,
        recorded_time=Timestamp(
            seconds=recorded_at // 1_000_000, nanos=recorded_at % 1_000_000 * 1_000
        ),
    ).SerializeToString()
    placed = b"".join((data, _PLACEMENT_TAG, _length(len(placement)), placement))
    wire = b"".join((_EVENTS_TAG, _length(len(placed)), placed))
    tx_last = tx_first + tx_size - 1
    readers = _readers(tuple(audience))
    return Entry(position, epoch, tx_first, tx_last, sys.intern(type), subject, readers, wire)


def unplaced(
    *,
    type: str,
    subject: str,
    audience: Sequence[str],
    data: bytes,
    event_id: str,  # noqa: ARG001 - in the data already, as is the version
    subject_version: int,  # noqa: ARG001
) -> Entry:
    """Build it from what an envelope made, for a snapshot: it has no place in the log."""
    wire = b"".join((_EVENTS_TAG, varint(len(data)), data))
    return Entry(0, 0, 0, 0, type, subject, frozenset(audience), wire)


@lru_cache(maxsize=4_096)  # few audiences differ, and the ring keeps one for each of its events
def _readers(audience: tuple[str, ...]) -> frozenset[str]:
    return frozenset(audience)


def varint(value: int) -> bytes:
    """Encode a non-negative integer as protobuf does: seven bits a byte, lowest first."""
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - the seven bits
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_length = lru_cache(maxsize=4_096)(varint)
