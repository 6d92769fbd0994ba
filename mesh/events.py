"""Prints what the silos announce, as it happens: the event logs through the router."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from medport.center.events.v1 import event_log_pb2 as center
from medport.center.events.v1.event_log_pb2_grpc import EventLogServiceStub as CenterLog
from medport.common.v1 import event_log_pb2 as common
from medport.ems.events.v1 import event_log_pb2 as ems
from medport.ems.events.v1.event_log_pb2_grpc import EventLogServiceStub as EmsLog
from medport.hospital.events.v1 import event_log_pb2 as hospital
from medport.hospital.events.v1.event_log_pb2_grpc import EventLogServiceStub as HospitalLog

from mesh.logins import center_tokens
from mesh.state import DataDirectory

_LOGS: dict[str, tuple[Any, Any]] = {
    "hospital": (hospital, HospitalLog),
    "ems": (ems, EmsLog),
    "center": (center, CenterLog),
}
_ENDED = object()


def follow(data: DataDirectory, *, silo: str | None, earliest: bool, as_json: bool) -> None:
    """Print events until Ctrl-C, one line each, those of several silos as they come."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    router = f"127.0.0.1:{data.running().ports['router']}"
    silos = [silo] if silo else [*_LOGS]
    tokens = center_tokens(data, silos)
    lines: SimpleQueue[Any] = SimpleQueue()
    origin = common.START_ORIGIN_EARLIEST if earliest else common.START_ORIGIN_LATEST
    line_of = _json if as_json else _line
    with grpc.insecure_channel(router) as channel:
        for name in silos:
            frames = _subscribe(channel, name, tokens[name], origin)
            Thread(target=_read, args=(name, frames, line_of, lines), daemon=True).start()
        left = len(silos)
        while left:
            line = lines.get()
            if line is _ENDED:
                left -= 1
            else:
                print(line, flush=True)


def _subscribe(
    channel: grpc.Channel, silo: str, token: str, origin: common.StartOrigin.ValueType
) -> Iterator[Any]:
    messages, stub = _LOGS[silo]
    request = messages.SubscribeRequest(
        subscriber="medport.events", start=common.StartPosition(origin=origin)
    )
    frames: Iterator[Any] = stub(channel).Subscribe(
        request, metadata=[("authorization", f"Bearer {token}")]
    )
    return frames


def _read(
    silo: str, frames: Iterator[Any], line_of: Callable[[str, Any], str], lines: SimpleQueue[Any]
) -> None:
    try:
        for frame in frames:
            for event in frame.batch.events:
                lines.put(line_of(silo, event))
    except grpc.RpcError as error:
        lines.put(f"{silo}: {error.code().name}: {error.details()}")
    lines.put(_ENDED)


def _line(silo: str, event: Any) -> str:
    metadata, at = event.metadata, event.metadata.time.ToDatetime()
    name = metadata.type.rpartition(".")[2]
    position = event.placement.position
    return f"{at:%H:%M:%S.%f} {silo:8} {position:>7} {name} {metadata.subject}"


def _json(silo: str, event: Any) -> str:
    return json.dumps({"silo": silo, **MessageToDict(event, preserving_proto_field_name=True)})
