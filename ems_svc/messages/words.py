"""Enums, sets of them, and versions, between values and the contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from google.type.interval_pb2 import Interval
from medport.common.v1 import vocabulary_pb2 as words

from chassis.clock import instant
from chassis.errors import EtagMismatch
from chassis.vocabulary import BidStatus, JobStatus, TransportLevel, UnitStatus
from chassis.wire import member


def level(given: TransportLevel) -> words.TransportLevel.ValueType:
    return words.TransportLevel.Value(f"TRANSPORT_LEVEL_{given}")


def levels(given: Iterable[str]) -> list[words.TransportLevel.ValueType]:
    return [level(TransportLevel(each)) for each in given]


def capabilities(given: Iterable[str]) -> list[words.Capability.ValueType]:
    return [words.Capability.Value(f"CAPABILITY_{each}") for each in given]


def bid_status(given: BidStatus) -> words.BidStatus.ValueType:
    return words.BidStatus.Value(f"BID_STATUS_{given}")


def job_status(given: JobStatus) -> words.JobStatus.ValueType:
    return words.JobStatus.Value(f"JOB_STATUS_{given}")


def unit_status(given: UnitStatus) -> words.UnitStatus.ValueType:
    return words.UnitStatus.Value(f"UNIT_STATUS_{given}")


def level_of(given: int) -> TransportLevel:
    return member(TransportLevel, words.TransportLevel, given)


def etag(row_version: int) -> str:
    return str(row_version)


def must_match(given: str, row_version: int) -> None:
    """Refuse a decision made on an older version; an empty etag claims nothing."""
    if given and given != etag(row_version):
        raise EtagMismatch


def optional_id(given: str) -> UUID | None:
    return UUID(given) if given else None


def ends(given: Interval) -> tuple[datetime | None, datetime | None]:
    """Return from when and until when a filter looks; None: for ever."""
    return (
        instant(given.start_time) if given.HasField("start_time") else None,
        instant(given.end_time) if given.HasField("end_time") else None,
    )
