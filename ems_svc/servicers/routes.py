"""RouteService: planned routes, measured and ordered by the silo."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from medport.ems.v1 import routes_pb2 as pb
from medport.ems.v1 import routes_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock
from chassis.errors import EtagMismatch
from chassis.field_masks import masked
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.wire import any_of
from ems_svc.domain import routes as rules
from ems_svc.domain.routes import Route, RouteStatus, RouteType
from ems_svc.messages import masks, words
from ems_svc.messages import routes as messages
from ems_svc.messages.announcements import announce
from ems_svc.repositories import audit_entries, center_copies, routes

NEWEST = UUID(int=2**128 - 1)  # no id lies above it


class RouteServicer(rpc.RouteServiceServicer):
    def __init__(self, database: Database, clock: Clock, paging: Paging) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging

    async def GetRoute(self, request: pb.GetRouteRequest, context: object) -> pb.GetRouteResponse:
        agency_id = auth.tenant(request.agency_id)
        route = await routes.get(self._database.read(agency_id), agency_id, UUID(request.route_id))
        return pb.GetRouteResponse(route=messages.route(route))

    async def ListRoutes(
        self, request: pb.ListRoutesRequest, context: object
    ) -> pb.ListRoutesResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        found = await routes.list_newest(
            self._database.read(agency_id),
            agency_id,
            statuses=any_of(RouteStatus, pb.RouteStatus, request.filter.statuses),
            route_types=any_of(RouteType, pb.RouteType, request.filter.route_types),
            before=UUID(page.after[0]) if page.after else NEWEST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda route: (route.id,))
        return pb.ListRoutesResponse(routes=map(messages.route, shown), next_page_token=token)

    async def CreateRoute(
        self, request: pb.CreateRouteRequest, context: object
    ) -> pb.CreateRouteResponse:
        agency_id, values = auth.tenant(request.agency_id), messages.values(request.route)
        rules.check(values["stops"])

        async with self._database.begin(agency_id) as uow:
            values["stops"] = await routes.placed(uow, agency_id, values["stops"])
            factor = await center_copies.road_factor(uow)
            route = rules.create(agency_id, ids.new(), factor, self._clock(), **values)
            await routes.add(uow, route)
            made = messages.route(route)
            await _note(uow, route, fields=masks.differing(pb.EmsRoute(), made))
            return uow.answered(pb.CreateRouteResponse(route=made))

    async def UpdateRoute(
        self, request: pb.UpdateRouteRequest, context: object
    ) -> pb.UpdateRouteResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.route_id)
        named = request.route, request.update_mask, "route"
        fields = masked(*named)

        async with self._database.begin(agency_id) as uow:
            route = await _lock(uow, agency_id, id, request.etag)
            route.must_be_changeable()
            values = messages.values(masks.merged(messages.route(route), *named))
            rules.check(values["stops"])
            values["stops"] = await routes.placed(uow, agency_id, values["stops"])
            factor = await center_copies.road_factor(uow)
            changed = route.changed(factor, self._clock(), **values)
            await routes.save(uow, changed)
            await _note(uow, changed, fields=fields)
            return uow.answered(pb.UpdateRouteResponse(route=messages.route(changed)))

    async def OptimizeRoute(
        self, request: pb.OptimizeRouteRequest, context: object
    ) -> pb.OptimizeRouteResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.route_id)
        rows, by = self._database.read(agency_id), auth.caller().user_id
        is_on = await center_copies.optimises_routes(rows, agency_id, by)
        known = await routes.get(rows, agency_id, id)
        # It takes some time: neither the others' calls nor the row wait for it.
        stops = await asyncio.to_thread(known.shortened) if is_on else []

        async with self._database.begin(agency_id) as uow:
            if not is_on:  # behind the claim: a repeat is answered although it is off by now
                raise rules.FeatureDisabled
            route = await _lock(uow, agency_id, id, request.etag)
            route.must_be_changeable()
            if route.row_version != known.row_version:
                raise EtagMismatch
            values: dict[str, Any] = {"stops": tuple(stops), "route_type": RouteType.OPTIMIZED}
            factor = await center_copies.road_factor(uow)
            changed = route.changed(factor, self._clock(), **values)
            await routes.save(uow, changed)
            await _note(uow, changed, fields=["route_type", "waypoints"])
            return uow.answered(pb.OptimizeRouteResponse(route=messages.route(changed)))

    async def ActivateRoute(
        self, request: pb.ActivateRouteRequest, context: object
    ) -> pb.ActivateRouteResponse:
        async with self._database.begin(auth.tenant(request.agency_id)) as uow:
            route = await self._move(uow, request, RouteStatus.ACTIVE)
            return uow.answered(pb.ActivateRouteResponse(route=messages.route(route)))

    async def CompleteRoute(
        self, request: pb.CompleteRouteRequest, context: object
    ) -> pb.CompleteRouteResponse:
        async with self._database.begin(auth.tenant(request.agency_id)) as uow:
            route = await self._move(uow, request, RouteStatus.COMPLETED)
            return uow.answered(pb.CompleteRouteResponse(route=messages.route(route)))

    async def ArchiveRoute(
        self, request: pb.ArchiveRouteRequest, context: object
    ) -> pb.ArchiveRouteResponse:
        async with self._database.begin(auth.tenant(request.agency_id)) as uow:
            route = await self._move(uow, request, RouteStatus.ARCHIVED)
            return uow.answered(pb.ArchiveRouteResponse(route=messages.route(route)))

    async def _move(self, uow: UnitOfWork, request: Verb, status: RouteStatus) -> Route:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.route_id)
        route = await _lock(uow, agency_id, id, request.etag)
        moved = route.move_to(status, self._clock())
        await routes.save(uow, moved)
        await _note(uow, moved, status=status)
        return moved


Verb = pb.ActivateRouteRequest | pb.CompleteRouteRequest | pb.ArchiveRouteRequest


async def _lock(uow: UnitOfWork, agency_id: UUID, id: UUID, etag: str) -> Route:
    route = await routes.lock(uow, agency_id, id)
    words.must_match(etag, route.row_version)
    return route


async def _note(uow: UnitOfWork, route: Route, **changes: Any) -> None:  # noqa: ANN401 - what JSON holds
    announce(
        uow, [await audit_entries.record(uow, route.agency_id, "ems_route", route.id, **changes)]
    )
