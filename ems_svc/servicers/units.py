"""UnitService: vehicles with their crews, what they do and where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import units_pb2 as pb
from medport.ems.v1 import units_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.field_masks import masked
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.unit_of_work import Database
from chassis.vocabulary import UnitStatus
from chassis.watching import Watching
from chassis.wire import any_of, member
from ems_svc.domain import units as rules
from ems_svc.domain.distances import by_road, driving
from ems_svc.domain.unit_locations import Taken
from ems_svc.messages import masks, words
from ems_svc.messages import units as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import (
    agencies,
    audit_entries,
    center_copies,
    crews,
    matching,
    offered_trips,
    tracking,
    unit_availability,
    unit_location_history,
    units,
)
from ems_svc.unit_views import near, show, show_one
from ems_svc.unit_watching import UnitWatch

FIRST = UUID(int=0)  # no id lies before it
NEAREST = (-1.0, FIRST)  # no unit is nearer
LAST = datetime(9999, 1, 1, tzinfo=UTC)  # no unit was anywhere later


class UnitServicer(rpc.UnitServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, watching: Watching
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._watching = watching

    async def GetUnit(self, request: pb.GetUnitRequest, context: object) -> pb.GetUnitResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.unit_id)
        await self._must_crew(agency_id, id)
        rows = self._database.read(agency_id)
        unit = await units.get(rows, agency_id, id)
        return pb.GetUnitResponse(unit=await show_one(rows, unit, self._clock()))

    async def ListUnits(
        self, request: pb.ListUnitsRequest, context: object
    ) -> pb.ListUnitsResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        rows, now = self._database.read(agency_id), self._clock()
        statuses = any_of(UnitStatus, vocabulary_pb2.UnitStatus, request.filter.statuses)
        found = await units.list_by_id(
            rows,
            agency_id,
            statuses=statuses,
            include_retired=request.filter.include_retired,
            only=await self._crewed(agency_id),
            after=UUID(page.after[0]) if page.after else FIRST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda unit: (unit.id,))
        return pb.ListUnitsResponse(
            units=await show(rows, agency_id, shown, now), next_page_token=token
        )

    async def CreateUnit(
        self, request: pb.CreateUnitRequest, context: object
    ) -> pb.CreateUnitResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        unit, event = rules.create(agency_id, ids.new(), now, **messages.values(request.unit))

        async with self._database.begin(agency_id) as uow:
            trips = await offered_trips.hold_open(uow)
            agency = await agencies.get(uow, agency_id)
            await units.add(uow, unit)
            await unit_availability.turn(uow, unit, None, now)
            await matching.offer_all_to(uow, agency, trips)
            audited = await audit_entries.record(
                uow, agency_id, "unit", unit.id, unit_number=unit.unit_number
            )
            announce(uow, [event, audited])
            return uow.answered(pb.CreateUnitResponse(unit=await show_one(uow, unit, now)))

    async def UpdateUnit(
        self, request: pb.UpdateUnitRequest, context: object
    ) -> pb.UpdateUnitResponse:
        agency_id, id, now = auth.tenant(request.agency_id), UUID(request.unit_id), self._clock()
        fields = masked(request.unit, request.update_mask, "unit")

        async with self._database.begin(agency_id) as uow:
            trips = await offered_trips.hold_open(uow)
            agency = await agencies.get(uow, agency_id)
            unit = await units.lock(uow, agency_id, id)
            words.must_match(request.etag, unit.row_version)
            given = masks.merged(messages.unit(unit), request.unit, request.update_mask, "unit")
            changed, event = unit.describe(now, **messages.values(given))
            await units.save(uow, changed)
            await matching.offer_all_to(uow, agency, trips)
            audited = await audit_entries.record(uow, agency_id, "unit", id, fields=fields)
            announce(uow, [event, audited])
            return uow.answered(pb.UpdateUnitResponse(unit=await show_one(uow, changed, now)))

    async def RetireUnit(
        self, request: pb.RetireUnitRequest, context: object
    ) -> pb.RetireUnitResponse:
        agency_id, id, now = auth.tenant(request.agency_id), UUID(request.unit_id), self._clock()

        async with self._database.begin(agency_id) as uow:
            trips = await offered_trips.hold_open(uow)
            agency = await agencies.get(uow, agency_id)
            unit = await units.lock(uow, agency_id, id)
            words.must_match(request.etag, unit.row_version)
            retired, event = unit.retire(now)
            await units.save(uow, retired)
            await unit_availability.close(uow, agency_id, id, now)
            await matching.offer_all_to(uow, agency, trips)
            known = {"status": retired.current_status, "is_active": retired.is_active}
            audited = await audit_entries.record(uow, agency_id, "unit", id, **known)
            announce(uow, [event, audited])
            return uow.answered(pb.RetireUnitResponse(unit=await show_one(uow, retired, now)))

    async def SetUnitStatus(
        self, request: pb.SetUnitStatusRequest, context: object
    ) -> pb.SetUnitStatusResponse:
        agency_id, id, now = auth.tenant(request.agency_id), UUID(request.unit_id), self._clock()
        status = member(UnitStatus, vocabulary_pb2.UnitStatus, request.status)

        async with self._database.begin(agency_id) as uow:
            unit = await units.lock(uow, agency_id, id)
            words.must_match(request.etag, unit.row_version)
            changed, event = unit.set_status(status, now)
            await units.save(uow, changed)
            await unit_availability.turn(uow, changed, request.notes or None, now)
            audited = await audit_entries.record(uow, agency_id, "unit", id, status=status)
            announce(uow, [event, audited])
            return uow.answered(pb.SetUnitStatusResponse(unit=await show_one(uow, changed, now)))

    async def ReportLocation(
        self, requests: AsyncIterator[pb.ReportLocationRequest], context: object
    ) -> pb.ReportLocationResponse:
        """Keep each position in a transaction of its own: the stream's end commits nothing."""
        taken = Counter[Taken]()
        async for request in requests:
            agency_id, now = auth.tenant(request.agency_id), self._clock()
            fix = messages.fix(request, agency_id, now)
            if fix.is_from_the_future(now):
                taken[Taken.FUTURE] += 1
                continue
            await self._must_crew(agency_id, fix.unit_id)
            async with self._database.begin(agency_id) as uow:
                became, events = await tracking.move(uow, fix, now)
                announce(uow, events)
            taken[became] += 1
        return messages.report(taken)

    async def ListNearbyUnits(
        self, request: pb.ListNearbyUnitsRequest, context: object
    ) -> pb.ListNearbyUnitsResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        rows, now = self._database.read(agency_id), self._clock()
        found = await near(rows, agency_id, messages.wanted(request), now)
        after = (float(page.after[0]), UUID(page.after[1])) if page.after else NEAREST
        left = [(miles, unit) for miles, unit in found if (miles, unit.id) > after]
        chosen, token = page.cut(left, lambda each: (repr(each[0]), each[1].id))
        shown = await show(rows, agency_id, [unit for _, unit in chosen], now)
        factor = await center_copies.road_factor(rows)
        return pb.ListNearbyUnitsResponse(
            nearby_units=[
                messages.nearby(unit, miles, driving(by_road(miles, factor)))
                for (miles, _), unit in zip(chosen, shown, strict=True)
            ],
            next_page_token=token,
        )

    async def ListUnitLocations(
        self, request: pb.ListUnitLocationsRequest, context: object
    ) -> pb.ListUnitLocationsResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        id, rows, now = UUID(request.unit_id), self._database.read(agency_id), self._clock()
        await self._must_crew(agency_id, id)
        await units.get(rows, agency_id, id)
        since_at, until_at = words.ends(request.filter.fix_time)
        found = await unit_location_history.list_newest(
            rows,
            agency_id,
            id,
            since_at=since_at,
            until_at=until_at,
            before_at=datetime.fromisoformat(page.after[0]) if page.after else LAST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda each: (each.fix_at,))
        return pb.ListUnitLocationsResponse(
            unit_locations=[messages.location(each, now) for each in shown], next_page_token=token
        )

    async def WatchUnits(  # type: ignore[override]  # grpc takes a writer too
        self, request: pb.WatchUnitsRequest, context: Context
    ) -> None:
        rows = self._database.read(auth.tenant(request.agency_id))
        watch = UnitWatch(request, rows, self._clock, context.write)
        await self._watching.watch(watch, watch.interest, request.resume_token)

    async def _must_crew(self, agency_id: UUID, unit_id: UUID) -> None:
        """Refuse a crew another unit than its own, as if there were none."""
        own = await self._crewed(agency_id)
        if own is not None and own != unit_id:
            raise units.not_found(unit_id)

    async def _crewed(self, agency_id: UUID) -> UUID | None:
        """Return the one unit that the caller may touch; None when it may touch every one."""
        return await crews.own_unit(self._database.read(agency_id), agency_id)
