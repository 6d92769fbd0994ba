"""Watches of an agency's live jobs and undecided bids: as they stand, whenever something tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from google.protobuf.message import Message
from medport.common.v1 import event_log_pb2 as log
from medport.ems.events.v1 import assignments_pb2, transport_bids_pb2
from medport.ems.v1 import assignments_pb2 as jobs_pb
from medport.ems.v1 import transport_bids_pb2 as bids_pb

from chassis import auth
from chassis.stream_entries import Interest
from chassis.unit_of_work import Rows
from chassis.vocabulary import BidStatus
from ems_svc.domain.assignments import STEPS
from ems_svc.domain.transport_bids import TransportBid
from ems_svc.messages import assignments as job_messages
from ems_svc.messages import transport_bids as bid_messages
from ems_svc.repositories import assignments, crews, offered_trips, transport_bids

MOST = 5000  # jobs or bids of one agency at a time are far fewer
LIVE_JOBS = STEPS[:-1]

Write = Callable[[Any], Awaitable[Any]]
Shown = Mapping[UUID, Message]


class LiveWatch(ABC):
    """Sends one watcher's frames by ``write``; reads rows anew, so that none is out of date.

    Not all that changes them is an event: a plan, a change of the trip's needs, an award that
    waits for the agency. So each heartbeat comes after a look at all that is live.
    """

    subject: ClassVar[str]
    types: ClassVar[frozenset[str]]

    def __init__(self, agency_id: str, rows: Rows, write: Write) -> None:
        self._named = agency_id
        self._rows = rows
        self._write = write
        self._shown: dict[UUID, Message] = {}  # of what was live, as the watcher saw it last

    @abstractmethod
    async def live(self, agency_id: UUID) -> Shown:
        """Return all that is live, by id."""

    @abstractmethod
    async def named(self, agency_id: UUID, ids: Sequence[UUID]) -> Shown:
        """Return these, live or not, if the watcher may see them."""

    @abstractmethod
    def frame(self, **fields: Any) -> Message:  # noqa: ANN401 - the fields of one frame
        """Make a frame; ``row`` is what is watched."""

    def interest(self) -> Interest:
        """Return what the caller may see; raises PermissionDenied once that is nothing."""
        return Interest(frozenset({f"agency:{auth.tenant(self._named)}"}), self.types, frozenset())

    async def snapshot(self, resume_token: bytes) -> None:
        self._shown = dict(await self.live(UUID(self._named)))
        for row in self._shown.values():
            await self._write(self.frame(row=row))
        end = log.SnapshotEnd(event_count=len(self._shown))
        await self._write(self.frame(snapshot_end=end, resume_token=resume_token))

    async def changed(self, subjects: Sequence[str], resume_token: bytes) -> None:
        """Send the rows; the token comes with the last, for it resumes after them all."""
        ids = [UUID(each.removeprefix(self.subject)) for each in subjects]
        found = await self.named(UUID(self._named), ids)
        self._shown |= found
        rows = list(found.values())
        for row in rows[:-1]:
            await self._write(self.frame(row=row))
        for row in rows[-1:]:
            await self._write(self.frame(row=row, resume_token=resume_token))

    async def heartbeat(self, mark: log.Bookmark, resume_token: bytes) -> None:
        agency_id = UUID(self._named)
        live = await self.live(agency_id)
        gone = [id for id in self._shown if id not in live]
        now = {**live, **(await self.named(agency_id, gone) if gone else {})}
        for id, row in now.items():
            if self._shown.get(id) != row:
                await self._write(self.frame(row=row))
        self._shown = dict(live)
        await self._write(self.frame(heartbeat=mark, resume_token=resume_token))

    async def end(self, end: log.StreamEnd, resume_token: bytes) -> None:
        await self._write(self.frame(stream_end=end, resume_token=resume_token))


class AssignmentWatch(LiveWatch):
    """Watches jobs; a crew those of the unit that it staffs."""

    subject = "assignments/"
    types = frozenset(
        each.full_name
        for each in assignments_pb2.DESCRIPTOR.message_types_by_name.values()
        if "job" in each.fields_by_name and not each.name.endswith("Snapshot")
    )

    async def live(self, agency_id: UUID) -> Shown:
        found = await assignments.list_newest(
            self._rows,
            agency_id,
            statuses=LIVE_JOBS,
            transport_request_id=None,
            unit_id=await crews.own_unit(self._rows, agency_id),
            before=transport_bids.NEWEST,
            limit=MOST,
        )
        return {job.id: job_messages.assignment(job) for job in found}

    async def named(self, agency_id: UUID, ids: Sequence[UUID]) -> Shown:
        own = await crews.own_unit(self._rows, agency_id)
        found = await assignments.list_named(self._rows, agency_id, ids)
        return {job.id: job_messages.assignment(job) for job in found if own in {None, job.unit_id}}

    def frame(self, **fields: Any) -> Message:  # noqa: ANN401 - the fields of one frame
        if "row" in fields:
            fields["assignment"] = fields.pop("row")
        return jobs_pb.WatchAssignmentsResponse(**fields)


class BidWatch(LiveWatch):
    """Watches bids; one that was decided is shown as such once."""

    subject = "transport_bids/"
    types = frozenset(
        each.full_name
        for each in transport_bids_pb2.DESCRIPTOR.message_types_by_name.values()
        if each.name.startswith("Bid") and each.name != "BidTerms"
    )

    async def live(self, agency_id: UUID) -> Shown:
        found = await transport_bids.list_newest(
            self._rows,
            agency_id,
            statuses=[BidStatus.PENDING],
            transport_request_id=None,
            before=transport_bids.NEWEST,
            limit=MOST,
        )
        return await self._with_awards(agency_id, found)

    async def named(self, agency_id: UUID, ids: Sequence[UUID]) -> Shown:
        found = await transport_bids.list_named(self._rows, agency_id, ids)
        return await self._with_awards(agency_id, found)

    async def _with_awards(self, agency_id: UUID, found: Sequence[TransportBid]) -> Shown:
        """Show bids, and on which of them an award waits for the agency's answer."""
        awaiting = await offered_trips.awaiting(self._rows, agency_id)
        waiting = {trip.awarded_bid_id: trip for trip in awaiting}
        return {bid.id: bid_messages.bid(bid, waiting.get(bid.id)) for bid in found}

    def frame(self, **fields: Any) -> Message:  # noqa: ANN401 - the fields of one frame
        if "row" in fields:
            fields["bid"] = fields.pop("row")
        return bids_pb.WatchBidsResponse(**fields)
