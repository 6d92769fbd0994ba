"""One watch of an agency's units: rows as they stand, whenever the log tells of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any
from uuid import UUID

from medport.common.v1 import event_log_pb2 as log
from medport.ems.events.v1 import units_pb2 as events
from medport.ems.v1 import units_pb2 as pb

from chassis import auth
from chassis.clock import Clock
from chassis.sqlstates import is_passing
from chassis.stream_entries import Interest
from chassis.unit_of_work import Rows
from chassis.vocabulary import UnitStatus
from ems_svc.domain.unit_locations import STALE
from ems_svc.domain.units import Unit
from ems_svc.repositories import crews, unit_locations, units
from ems_svc.unit_views import show

AT_ONCE = 500
# A place that was written down before it was committed is looked for once more.
OVERLAP = timedelta(seconds=5)
SUBJECTS = ("units/", "unit_locations/")
TYPES = frozenset(
    each.DESCRIPTOR.full_name
    for each in (events.UnitStatusChanged, events.UnitUpdated, events.UnitLocationReported)
)

Write = Callable[[pb.WatchUnitsResponse], Awaitable[Any]]


class UnitWatch:
    """Sends one watcher's frames by ``write``; reads units anew, so that none is out of date."""

    def __init__(
        self, request: pb.WatchUnitsRequest, rows: Rows, clock: Clock, write: Write
    ) -> None:
        self._named = request.agency_id
        self._wanted = frozenset(UUID(each) for each in request.unit_ids)
        self._rows = rows
        self._clock = clock
        self._write = write
        self._looked_at = clock() - STALE

    def interest(self) -> Interest:
        """Return what the caller may see; raises PermissionDenied once that is nothing."""
        keys = frozenset({f"agency:{auth.tenant(self._named)}"})
        subjects = frozenset(f"{kind}{each}" for kind in SUBJECTS for each in self._wanted)
        return Interest(keys, TYPES, subjects)

    async def snapshot(self, resume_token: bytes) -> None:
        agency_id, count, after = UUID(self._named), 0, UUID(int=0)
        self._looked_at = self._clock()
        while True:
            found = await units.list_by_id(
                self._rows,
                agency_id,
                statuses=list(UnitStatus),
                include_retired=False,
                only=await crews.own_unit(self._rows, agency_id),
                after=after,
                limit=AT_ONCE,
            )
            wanted = [each for each in found if not self._wanted or each.id in self._wanted]
            for frame in await self._frames(wanted):
                await self._write(frame)
            count += len(wanted)
            if len(found) < AT_ONCE:
                break
            after = found[-1].id
        end = log.SnapshotEnd(event_count=count)
        await self._write(pb.WatchUnitsResponse(snapshot_end=end, resume_token=resume_token))

    async def changed(self, subjects: Sequence[str], resume_token: bytes) -> None:
        """Send the units; the token comes with the last, for it resumes after them all."""
        ids = {UUID(each.partition("/")[2]) for each in subjects}
        frames = await self._frames(await self._named_ones(ids))
        if frames:
            frames[-1].resume_token = resume_token
        for frame in frames:
            await self._write(frame)

    async def heartbeat(self, mark: log.Bookmark, resume_token: bytes) -> None:
        """Send the units that have moved, too: of those without a job the log does not tell."""
        for frame in await self._moved():
            await self._write(frame)
        await self._write(pb.WatchUnitsResponse(heartbeat=mark, resume_token=resume_token))

    async def end(self, end: log.StreamEnd, resume_token: bytes) -> None:
        await self._write(pb.WatchUnitsResponse(stream_end=end, resume_token=resume_token))

    async def _moved(self) -> list[pb.WatchUnitsResponse]:
        """Show who has moved since the last look; nobody when the database does not answer now."""
        at = self._clock()
        since_at = self._looked_at - OVERLAP
        try:
            moved = await unit_locations.moved(self._rows, UUID(self._named), since_at)
            wanted = moved & self._wanted if self._wanted else moved
            frames = await self._frames(await self._named_ones(wanted))
        except Exception as fault:
            if not is_passing(fault):
                raise
            return []  # the next heartbeat looks from where this one did
        self._looked_at = at
        return frames

    async def _named_ones(self, ids: AbstractSet[UUID]) -> list[Unit]:
        """Read the units of ``ids``, but of a crew's own unit alone when a crew watches."""
        agency_id = UUID(self._named)
        own = await crews.own_unit(self._rows, agency_id)
        seen = ids if own is None else ids & {own}
        return await units.list_named(self._rows, agency_id, list(seen)) if seen else []

    async def _frames(self, values: Sequence[Unit]) -> list[pb.WatchUnitsResponse]:
        shown = await show(self._rows, UUID(self._named), values, self._clock())
        return [pb.WatchUnitsResponse(unit=each) for each in shown]
