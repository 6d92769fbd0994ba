"""Routes, to and from the contract."""

from __future__ import annotations

from typing import Any

from medport.ems.v1 import routes_pb2 as pb

from chassis.clock import timestamp
from chassis.wire import member, number, place
from ems_svc.domain.distances import Place
from ems_svc.domain.routes import Route, RouteStop, RouteStopKind, RouteType
from ems_svc.messages import words


def route(value: Route) -> pb.EmsRoute:
    return pb.EmsRoute(
        id=str(value.id),
        agency_id=str(value.agency_id),
        route_name=value.route_name,
        route_type=number(pb.RouteType, value.route_type),
        waypoints=map(_stop, value.stops),
        distance_miles=value.distance_miles,
        distance_meters=value.distance_meters,
        estimated_minutes=value.estimated_minutes,
        status=number(pb.RouteStatus, value.status),
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
    )


def values(given: pb.EmsRoute) -> dict[str, Any]:
    """Return what users may set, by the names of the route's fields; stops may lack their place."""
    return {
        "route_name": given.route_name,
        "route_type": member(RouteType, pb.RouteType, given.route_type),
        "stops": tuple(map(_given, given.waypoints)),
    }


def _stop(value: RouteStop) -> pb.EmsRouteStop:
    where = value.known_place
    return pb.EmsRouteStop(
        kind=number(pb.RouteStopKind, value.kind),
        facility_id=str(value.facility_id or ""),
        transport_request_id=str(value.transport_request_id or ""),
        location=place(where.latitude, where.longitude),
    )


def _given(given: pb.EmsRouteStop) -> RouteStop:
    where = given.location
    return RouteStop(
        kind=member(RouteStopKind, pb.RouteStopKind, given.kind),
        facility_id=words.optional_id(given.facility_id),
        transport_request_id=words.optional_id(given.transport_request_id),
        place=Place(where.latitude, where.longitude) if given.HasField("location") else None,
    )
