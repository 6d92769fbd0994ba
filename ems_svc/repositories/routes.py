"""Routes and their stops, read in one statement: a route is never seen with another's stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from chassis.errors import InvalidArgument, NotFound
from chassis.sql import columns, compiled, same_key
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.distances import Place
from ems_svc.domain.routes import Route, RouteStatus, RouteStop, RouteStopKind, RouteType
from ems_svc.repositories import agencies, facility_directory
from ems_svc.tables import changed_values, new_values
from ems_svc.tables import ems_route as table
from ems_svc.tables import ems_route_stop as stop

_of_agency = table.c.agency_id == bindparam("agency_id")
_stops = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(
                    stop.c.kind,
                    stop.c.facility_id,
                    stop.c.transport_request_id,
                    stop.c.latitude,
                    stop.c.longitude,
                ),
                stop.c.stop_order,
            ),
            type_=JSONB,
        )
    )
    .where(stop.c.agency_id == table.c.agency_id, stop.c.route_id == table.c.id)
    .scalar_subquery()
)
_whole = select(table, _stops.label("stops"))


def _route(*values: Any) -> Route:  # noqa: ANN401 - a row, by the names of its columns
    row = dict(zip([*table.c.keys(), "stops"], values, strict=True))
    row["route_type"], row["status"] = RouteType(row["route_type"]), RouteStatus(row["status"])
    return Route(**(row | {"stops": tuple(_stop(*each) for each in row["stops"] or ())}))


def _stop(
    kind: str, facility_id: str | None, trip_id: str | None, latitude: float, longitude: float
) -> RouteStop:
    return RouteStop(
        kind=RouteStopKind(kind),
        facility_id=UUID(facility_id) if facility_id else None,
        transport_request_id=UUID(trip_id) if trip_id else None,
        place=Place(latitude, longitude),
    )


GET = compiled(_whole.where(same_key(table)), into=_route)
HOLD = compiled(select(table.c.id).where(same_key(table)).with_for_update())
ADD = compiled(insert(table).values(new_values(table)))
SAVE = compiled(update(table).where(same_key(table)).values(changed_values(table)))
CLEAR = compiled(
    delete(stop).where(
        stop.c.agency_id == bindparam("agency_id"), stop.c.route_id == bindparam("route_id")
    )
)
ADD_STOP = compiled(insert(stop))
LIST = compiled(
    _whole.where(
        _of_agency,
        table.c.id < bindparam("before"),
        table.c.status == any_(bindparam("statuses", type_=ARRAY(Text))),
        table.c.route_type == any_(bindparam("route_types", type_=ARRAY(Text))),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("limit")),
    into=_route,
)


async def get(rows: Rows, agency_id: UUID, id: UUID) -> Route:
    route = await rows.optional(GET, agency_id=agency_id, id=id)
    if route is None:  # the same answer for another agency's: that it exists is not leaked
        raise NotFound(f"route {id} does not exist", resource="ems_route", id=str(id))
    return route


async def lock(uow: UnitOfWork, agency_id: UUID, id: UUID) -> Route:
    """Hold a route, then read it: whoever waited for the row would read the stops of before."""
    await uow.optional(HOLD, agency_id=agency_id, id=id)
    return await get(uow, agency_id, id)


async def add(uow: UnitOfWork, route: Route) -> None:
    await uow.execute(ADD, **columns(route))
    await _write_stops(uow, route)


async def save(uow: UnitOfWork, route: Route) -> None:
    """Write back a route read with ``lock``, its stops included."""
    await uow.execute(SAVE, **columns(route))
    await uow.execute(CLEAR, agency_id=route.agency_id, route_id=route.id)
    await _write_stops(uow, route)


async def list_newest(
    rows: Rows,
    agency_id: UUID,
    *,
    statuses: Sequence[str],
    route_types: Sequence[str],
    before: UUID,
    limit: int,
) -> list[Route]:
    return await rows.all(
        LIST,
        agency_id=agency_id,
        statuses=list(statuses),
        route_types=list(route_types),
        before=before,
        limit=limit,
    )


async def placed(rows: Rows, agency_id: UUID, stops: Sequence[RouteStop]) -> tuple[RouteStop, ...]:
    """Give every stop its place: its facility's, the one it names, or the agency's base.

    Raises InvalidArgument, naming each stop that has none.
    """
    ids = [each.facility_id for each in stops if each.facility_id]
    known = await facility_directory.by_id(rows, ids)
    base = (await agencies.get(rows, agency_id)).base
    found, wrong = list[RouteStop](), dict[str, str]()
    for number, each in enumerate(stops):
        path, place = f"route.waypoints[{number}]", each.place
        if each.facility_id is not None:
            facility = known.get(each.facility_id)
            place = facility.place if facility else None
            path += ".facility_id"
        elif place is None and each.kind is RouteStopKind.BASE:
            place = base
        if place is None:
            wrong[path] = "is no known facility" if each.facility_id else "must say where it is"
        found.append(replace(each, place=place))
    if wrong:
        raise InvalidArgument("the stops are not all known places", violations=wrong)
    return tuple(found)


async def _write_stops(uow: UnitOfWork, route: Route) -> None:
    for order, each in enumerate(route.stops):
        place = each.known_place
        await uow.execute(
            ADD_STOP,
            agency_id=route.agency_id,
            route_id=route.id,
            stop_order=order,
            kind=each.kind,
            facility_id=each.facility_id,
            transport_request_id=each.transport_request_id,
            latitude=place.latitude,
            longitude=place.longitude,
        )
