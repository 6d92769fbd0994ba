"""ServiceAreaService: where an agency picks patients up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from medport.ems.v1 import service_areas_pb2 as pb
from medport.ems.v1 import service_areas_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.field_masks import masked
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.wire import optional
from ems_svc.domain.distances import Place
from ems_svc.domain.service_areas import ServiceArea
from ems_svc.messages import masks, words
from ems_svc.messages import service_areas as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import (
    agencies,
    audit_entries,
    matching,
    offered_trips,
    service_areas,
)

FIRST = UUID(int=0)  # no id lies before it


class ServiceAreaServicer(rpc.ServiceAreaServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def CreateServiceArea(
        self, request: pb.CreateServiceAreaRequest, context: object
    ) -> pb.CreateServiceAreaResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        values = messages.values(request.service_area) | {"is_active": True}
        area = ServiceArea(
            agency_id=agency_id,
            id=ids.new(),
            created_at=now,
            updated_at=now,
            row_version=1,
            **values,
        )

        async with self._database.begin(agency_id) as uow:
            trips = await offered_trips.hold_open(uow)
            agency = await agencies.get(uow, agency_id)
            await service_areas.add(uow, area)
            await matching.offer_all_to(uow, agency, trips)
            made = messages.area(area)
            await _note(uow, area, fields=masks.differing(pb.ServiceArea(), made))
            return uow.answered(pb.CreateServiceAreaResponse(service_area=made))

    async def GetServiceArea(
        self, request: pb.GetServiceAreaRequest, context: object
    ) -> pb.GetServiceAreaResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.service_area_id)
        area = await service_areas.get(self._database.read(agency_id), agency_id, id)
        return pb.GetServiceAreaResponse(service_area=messages.area(area))

    async def ListServiceAreas(
        self, request: pb.ListServiceAreasRequest, context: object
    ) -> pb.ListServiceAreasResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        after = UUID(page.after[0]) if page.after else FIRST
        rows = self._database.read(agency_id)
        found = await service_areas.list_by_id(
            rows,
            agency_id,
            after,
            page.fetch,
            is_active=optional(request.filter, "is_active"),
            is_primary=optional(request.filter, "is_primary"),
        )
        shown, token = page.cut(found, lambda area: (area.id,))
        return pb.ListServiceAreasResponse(
            service_areas=[messages.area(area) for area in shown], next_page_token=token
        )

    async def UpdateServiceArea(
        self, request: pb.UpdateServiceAreaRequest, context: object
    ) -> pb.UpdateServiceAreaResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.service_area_id)
        fields = masked(request.service_area, request.update_mask, "service_area")

        async with self._database.begin(agency_id) as uow:
            trips = await offered_trips.hold_open(uow)
            agency = await agencies.get(uow, agency_id)
            area = await service_areas.lock(uow, agency_id, id)
            words.must_match(request.etag, area.row_version)
            given = masks.merged(
                messages.area(area), request.service_area, request.update_mask, "service_area"
            )
            area.must_be_redrawn(given.boundary, fields)
            changed = replace(area, **messages.values(given), updated_at=self._clock())
            changed = replace(changed, row_version=area.row_version + 1)
            await service_areas.save(uow, changed)
            await matching.offer_all_to(uow, agency, trips)
            await _note(uow, changed, fields=fields)
            return uow.answered(pb.UpdateServiceAreaResponse(service_area=messages.area(changed)))

    async def DeleteServiceArea(
        self, request: pb.DeleteServiceAreaRequest, context: object
    ) -> pb.DeleteServiceAreaResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.service_area_id)

        async with self._database.begin(agency_id) as uow:
            trips = await offered_trips.hold_open(uow)
            agency = await agencies.get(uow, agency_id)
            area = await service_areas.lock(uow, agency_id, id)
            words.must_match(request.etag, area.row_version)
            await service_areas.remove(uow, agency_id, id)
            await matching.offer_all_to(uow, agency, trips)
            await _note(uow, area)
            return uow.answered(pb.DeleteServiceAreaResponse())

    async def CheckCoverage(
        self, request: pb.CheckCoverageRequest, context: object
    ) -> pb.CheckCoverageResponse:
        agency_id = auth.tenant(request.agency_id)
        place = Place(request.location.latitude, request.location.longitude)
        areas = await service_areas.active(self._database.read(agency_id), agency_id)
        covering = [messages.area(area) for area in areas if area.covers(place)]
        return pb.CheckCoverageResponse(is_covered=bool(covering), service_areas=covering)


async def _note(uow: UnitOfWork, area: ServiceArea, **changes: Any) -> None:  # noqa: ANN401 - what JSON holds
    audited = await audit_entries.record(uow, area.agency_id, "service_area", area.id, **changes)
    announce(uow, [audited])
