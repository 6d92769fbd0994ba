"""The frames of WatchAvailableTrips."""

from __future__ import annotations

import random
import struct
from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from medport.common.v1 import event_log_pb2 as common
from medport.ems.v1 import available_trips_pb2 as pb

from chassis.clock import timestamp
from chassis.event_log_errors import InvalidResumeToken

VERSION = 1
_TOKEN = struct.Struct(">Bq")  # version, microseconds: a resumed stream looks at the state anew


def check(token: bytes) -> None:
    """Refuse what was never a token of this stream; none begins a new one."""
    if token and (len(token) != _TOKEN.size or token[0] != VERSION):
        raise InvalidResumeToken


def trip(shown: pb.AvailableTrip, at: datetime) -> pb.WatchAvailableTripsResponse:
    return pb.WatchAvailableTripsResponse(available_trip=shown, resume_token=_token(at))


def snapshot_end(count: int, at: datetime) -> pb.WatchAvailableTripsResponse:
    return pb.WatchAvailableTripsResponse(
        snapshot_end=common.SnapshotEnd(event_count=count), resume_token=_token(at)
    )


def heartbeat(at: datetime) -> pb.WatchAvailableTripsResponse:
    return pb.WatchAvailableTripsResponse(
        heartbeat=common.Bookmark(server_time=timestamp(at)), resume_token=_token(at)
    )


def end(*, is_draining: bool, at: datetime) -> pb.WatchAvailableTripsResponse:
    reason = common.STREAM_END_REASON_DRAINING if is_draining else common.STREAM_END_REASON_MAX_AGE
    pause = Duration()
    pause.FromMilliseconds(random.randrange(2000))  # noqa: S311 - callers come back apart
    return pb.WatchAvailableTripsResponse(
        stream_end=common.StreamEnd(reason=reason, reconnect_duration=pause),
        resume_token=_token(at),
    )


def _token(at: datetime) -> bytes:
    return _TOKEN.pack(VERSION, int(at.timestamp() * 1_000_000))
