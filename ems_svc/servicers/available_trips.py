"""AvailableTripService: what an agency may bid on, and what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import available_trips_pb2 as pb
from medport.ems.v1 import available_trips_pb2_grpc as rpc

from chassis import auth
from chassis.clock import Clock
from chassis.open_streams import OpenStreams
from chassis.paging import Paging
from chassis.sqlstates import is_passing
from chassis.unit_of_work import Database, Rows
from chassis.vocabulary import Priority, TransportLevel
from chassis.wire import any_of, names_of
from ems_svc.domain.available_trips import (
    AvailableTrip,
    AvailableTripState,
    differences,
)
from ems_svc.messages import available_trips as messages
from ems_svc.messages import watch_frames as frames
from ems_svc.repositories import agency_rates, available_trips, facility_directory

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
MOST_SECONDS = 1800.0  # streams end at an age, so that connections move
TOP = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))  # no trip lies above it


class AvailableTripServicer(rpc.AvailableTripServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, draining: asyncio.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._draining = draining
        self._open = OpenStreams()

    async def GetAvailableTrip(
        self, request: pb.GetAvailableTripRequest, context: object
    ) -> pb.GetAvailableTripResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.transport_request_id)
        rows = self._database.read(agency_id)
        trip = await available_trips.get(rows, agency_id, id, self._clock())
        [shown] = await show(rows, agency_id, [trip])
        return pb.GetAvailableTripResponse(available_trip=shown)

    async def ListAvailableTrips(
        self, request: pb.ListAvailableTripsRequest, context: object
    ) -> pb.ListAvailableTripsResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        rows, given = self._database.read(agency_id), request.filter
        states = names_of(AvailableTripState, pb.AvailableTripState, given.states)
        states = states or [AvailableTripState.OPEN]
        if given.priorities:  # what is gone hides its own, so that no filter may tell it
            states = [each for each in states if each != AvailableTripState.UNAVAILABLE]
        found = await available_trips.list_newest(
            rows,
            agency_id,
            at=self._clock(),
            states=states,
            levels=any_of(TransportLevel, vocabulary_pb2.TransportLevel, given.levels),
            priorities=any_of(Priority, vocabulary_pb2.Priority, given.priorities),
            before=_place(page.after) if page.after else TOP,
            limit=page.fetch,
        )
        trips, token = page.cut(found, lambda trip: (trip.visible_at, trip.transport_request_id))
        shown = await show(rows, agency_id, trips)
        return pb.ListAvailableTripsResponse(available_trips=shown, next_page_token=token)

    async def WatchAvailableTrips(
        self, request: pb.WatchAvailableTripsRequest, context: object
    ) -> AsyncIterator[pb.WatchAvailableTripsResponse]:
        agency_id, user_id = auth.tenant(request.agency_id), auth.caller().user_id
        frames.check(request.resume_token)
        self._open.enter(user_id)
        try:
            async for shown in self._changes(agency_id):
                yield shown
        finally:
            self._open.leave(user_id)

    async def _changes(self, agency_id: UUID) -> AsyncIterator[pb.WatchAvailableTripsResponse]:
        """Look again and again: a wave opens by the clock alone, which no event tells."""
        rows, known = self._database.read(agency_id), dict[UUID, AvailableTrip]()
        started = spoken = time.monotonic()
        is_first = True
        while not self._draining.is_set() and time.monotonic() - started < MOST_SECONDS:
            now = self._clock()
            for trip in await self._look(rows, agency_id, known, now, insist=is_first):
                yield frames.trip(trip, now)
                spoken = time.monotonic()
            if is_first:
                yield frames.snapshot_end(len(known), now)
                is_first = False
            if time.monotonic() - spoken >= HEARTBEAT_SECONDS:
                yield frames.heartbeat(now)
                spoken = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), LOOK_SECONDS)
        yield frames.end(is_draining=self._draining.is_set(), at=self._clock())

    async def _look(
        self,
        rows: Rows,
        agency_id: UUID,
        known: dict[UUID, AvailableTrip],
        at: datetime,
        *,
        insist: bool,
    ) -> list[pb.AvailableTrip]:
        """Return the news; none when the database does not answer now, unless we ``insist``."""
        try:
            return await self._news(rows, agency_id, known, at)
        except Exception as fault:
            if insist or not is_passing(fault):
                raise
            return []  # the next look finds what this one would have: ``known`` stands

    async def _news(
        self, rows: Rows, agency_id: UUID, known: dict[UUID, AvailableTrip], at: datetime
    ) -> list[pb.AvailableTrip]:
        """Return what changed since ``known``, which is brought up to date at the very end."""
        changed, gone = differences(known, await available_trips.open_ones(rows, agency_id, at))
        ended = [await available_trips.find(rows, agency_id, id) for id in gone]
        told = [*changed, *(trip for trip in ended if trip)]
        shown = await show(rows, agency_id, told) if told else []
        known.update({trip.transport_request_id: trip for trip in changed})
        for id in gone:
            del known[id]
        return shown


def _place(after: tuple[str, ...]) -> tuple[datetime, UUID]:
    visible_at, id = after
    return datetime.fromisoformat(visible_at), UUID(id)


async def show(
    rows: Rows, agency_id: UUID, trips: Sequence[AvailableTrip]
) -> list[pb.AvailableTrip]:
    ends = [id for trip in trips for id in (trip.origin_facility_id, trip.destination_facility_id)]
    facilities = await facility_directory.by_id(rows, ends)
    rates = await agency_rates.of_agency(rows, agency_id)
    return [messages.available_trip(trip, facilities, rates) for trip in trips]
