"""One watch of a hospital's trips: rows as they stand, whenever the log tells of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from medport.common.v1 import event_log_pb2 as log
from medport.hospital.events.v1 import transport_requests_pb2 as events
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis import auth
from chassis.stream_entries import Interest
from chassis.unit_of_work import Rows
from hospital_svc.domain.transport_requests import Filter
from hospital_svc.messages.transport_requests import transport_request
from hospital_svc.repositories import transport_requests
from hospital_svc.repositories.transport_requests import LIVE_STATUSES

AT_ONCE = 500
SUBJECT = "transport_requests/"
TYPES = frozenset(
    each.full_name
    for each in events.DESCRIPTOR.message_types_by_name.values()
    if "trip" in each.fields_by_name and not each.name.endswith("Snapshot")
)

Write = Callable[[pb.WatchTransportRequestsResponse], Awaitable[Any]]


class TripWatch:
    """Sends one watcher's frames by ``write``; reads trips anew, so that none is out of date."""

    def __init__(self, request: pb.WatchTransportRequestsRequest, rows: Rows, write: Write) -> None:
        self._named = request.hospital_id
        self._wanted = frozenset(UUID(each) for each in request.transport_request_ids)
        self._rows = rows
        self._write = write

    def interest(self) -> Interest:
        """Return what the caller may see; raises PermissionDenied once that is nothing."""
        keys = frozenset({f"hospital:{auth.tenant(self._named)}"})
        return Interest(keys, TYPES, frozenset(f"{SUBJECT}{each}" for each in self._wanted))

    async def snapshot(self, resume_token: bytes) -> None:
        count, after = 0, None
        while True:
            found = await transport_requests.list_newest(
                self._rows,
                UUID(self._named),
                Filter(statuses=LIVE_STATUSES),
                after=after,
                fetch=AT_ONCE,
            )
            for trip in found:
                if not self._wanted or trip.id in self._wanted:
                    count += 1
                    await self._send(transport_request=transport_request(trip))
            if len(found) < AT_ONCE:
                break
            after = [found[-1].requested_at.isoformat(), str(found[-1].id)]
        end = log.SnapshotEnd(event_count=count)
        await self._send(snapshot_end=end, resume_token=resume_token)

    async def changed(self, subjects: Sequence[str], resume_token: bytes) -> None:
        """Send the trips; the token comes with the last, for it resumes after them all."""
        ids = [UUID(each.removeprefix(SUBJECT)) for each in subjects]
        found = await transport_requests.list_named(self._rows, UUID(self._named), ids)
        for trip in found[:-1]:
            await self._send(transport_request=transport_request(trip))
        for trip in found[-1:]:
            await self._send(transport_request=transport_request(trip), resume_token=resume_token)

    async def heartbeat(self, mark: log.Bookmark, resume_token: bytes) -> None:
        await self._send(heartbeat=mark, resume_token=resume_token)

    async def end(self, end: log.StreamEnd, resume_token: bytes) -> None:
        await self._send(stream_end=end, resume_token=resume_token)

    async def _send(self, **frame: Any) -> None:  # noqa: ANN401 - the fields of one frame
        await self._write(pb.WatchTransportRequestsResponse(**frame))
