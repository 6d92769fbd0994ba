"""The outbox: events written in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from medport.common.v1.event_log_pb2 import EventActor, EventMetadata
from psycopg import AsyncConnection

from chassis import call, event_contract, ids, tracing
from chassis.clock import timestamp, utc_now
from chassis.tracing import Attributes, Kind

# One round trip for any number of events: executemany of one prepared statement in a pipeline.
APPEND = """
INSERT INTO outbox (event_id, type, subject, subject_version, audience, data)
VALUES (%(event_id)s, %(type)s, %(subject)s, %(subject_version)s, %(audience)s, %(data)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What happened, to which version of what, and who may know."""

    event: Message
    subject: str  # transport_requests/{id}
    subject_version: int  # 1, 2, 3, ... without a gap
    audience: Sequence[str]  # keys such as silo:ems or hospital:{id}; never empty

    @property
    def name(self) -> str:
        return str(type(self.event).DESCRIPTOR.name)


class Envelope:
    """Wraps a silo's payloads into its event message, with who and why.

    ``event`` is the silo's ``<Silo>Event``, whose ``payload`` oneof has one field per payload.
    """

    def __init__(self, event: type[Message], source: str) -> None:
        self._event = event
        self._source = source
        payloads = event.DESCRIPTOR.oneofs_by_name["payload"].fields
        self._fields = {
            kind.full_name: each.name for each in payloads if (kind := each.message_type)
        }
        self._heard_by = event_contract.hearers(event.DESCRIPTOR)

    def row(self, announced: Announcement) -> dict[str, Any]:
        """Give the outbox row of ``announced``.

        Raises KeyError for a payload of another silo, and ValueError for an audience that the
        contract does not name for it: a filter that asked for it would have been refused.
        """
        return self._wrapped(announced, self._metadata(announced))

    def current(self, announced: Announcement) -> dict[str, Any]:
        """Give the row of something that stands so now: nobody did it just then, or caused it."""
        return self._wrapped(announced, self._said(announced))

    def _wrapped(self, announced: Announcement, metadata: EventMetadata) -> dict[str, Any]:
        type_name = _type(announced)
        for key in announced.audience:
            if event_contract.kind(key) not in self._heard_by[type_name]:
                raise ValueError(f"{type_name} is not for {key}")
        event = self._event(metadata=metadata, **{self._fields[type_name]: announced.event})
        return {
            "event_id": metadata.id,
            "type": type_name,
            "subject": announced.subject,
            "subject_version": announced.subject_version,
            "audience": list(announced.audience),
            "data": event.SerializeToString(),
        }

    def _metadata(self, announced: Announcement) -> EventMetadata:
        current, cause = call.current(), call.cause()
        metadata = self._said(announced)
        metadata.MergeFrom(
            EventMetadata(
                correlation_id=(
                    current.request_id if current else cause.correlation_id if cause else ""
                ),
                causation_id=cause.event_id if cause else "",
                traceparent=tracing.current(),
                actor=_actor(current),
            )
        )
        return metadata

    def _said(self, announced: Announcement) -> EventMetadata:
        return EventMetadata(
            id=str(ids.new()),
            source=self._source,
            type=_type(announced),
            subject=announced.subject,
            time=timestamp(utc_now()),
            subject_version=announced.subject_version,
        )


def _type(announced: Announcement) -> str:
    return str(type(announced.event).DESCRIPTOR.full_name)


def _actor(current: call.Call | None) -> EventActor | None:
    if current is None or current.principal is None:
        return None
    principal = current.principal
    return EventActor(
        user_id=str(principal.user_id),
        organization_id=str(principal.tenant_id or ""),
        role=min(principal.roles, default=""),
    )


async def append(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the ``rows`` that an envelope made, in their order and in one round trip."""
    written: Attributes = {"db.system.name": "postgresql", "db.operation.batch.size": len(rows)}
    with tracing.span("INSERT outbox", Kind.CLIENT, written):
        async with connection.cursor() as cursor:
            await cursor.executemany(APPEND, rows)
