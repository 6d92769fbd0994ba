"""Time: a dependency, so that tests can own it, and a message on the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return ``moment`` for the wire; None leaves the field absent."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def instant(message: Timestamp) -> datetime:
    """Return the moment a message names, in UTC and to the microsecond.

    Raises ValueError outside the years 1 to 9999; the contract's rules have refused those.
    """
    return message.ToDatetime(tzinfo=UTC)
