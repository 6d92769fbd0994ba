"""What a silo shows of its rows, asked for as any subscriber asks."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from medport.common.v1 import event_log_pb2 as common

from chassis.event_contract import EventContract
from tests.support.event_streams import SNAPSHOT

Metadata = tuple[tuple[str, str], ...]

LATEST_VERSIONS = """
SELECT subject, max(subject_version) FROM (
  SELECT subject, subject_version FROM event_log UNION ALL
  SELECT subject, subject_version FROM outbox) AS all_of_them
WHERE subject ~ %s GROUP BY subject
"""


async def snapshot(
    channel: grpc.aio.Channel, file: FileDescriptor, caller: Metadata
) -> dict[str, Any]:
    """Return the events of a snapshot by their subjects, each of which comes once."""
    contract = EventContract.of(file)
    request: Message = contract.subscribe_request(
        subscriber="rebuilding", start=common.StartPosition(origin=SNAPSHOT.origin)
    )
    stream: Any = channel.unary_stream(
        f"/{contract.service}/Subscribe",
        request_serializer=contract.subscribe_request.SerializeToString,
        response_deserializer=contract.subscribe_response.FromString,
    )(request, metadata=caller)
    shown: dict[str, Any] = {}
    while (frame := await stream.read()).WhichOneof("frame") != "snapshot_end":
        for event in frame.batch.events:
            assert event.metadata.subject not in shown
            shown[event.metadata.subject] = event
    stream.cancel()
    return shown


def versions(shown: dict[str, Any], *nouns: str) -> dict[str, int]:
    return {
        subject: event.metadata.subject_version
        for subject, event in shown.items()
        if subject.partition("/")[0] in nouns
    }


def payload(event: Any) -> Any:
    return getattr(event, event.WhichOneof("payload"))
