"""Service areas, to and from the contract."""

from __future__ import annotations

from typing import Any

from medport.ems.v1 import service_areas_pb2 as pb

from chassis.clock import timestamp
from chassis.wire import place
from ems_svc.domain.distances import Place
from ems_svc.domain.service_areas import ServiceArea, circle_of
from ems_svc.messages import words


def area(value: ServiceArea) -> pb.ServiceArea:
    return pb.ServiceArea(
        id=str(value.id),
        agency_id=str(value.agency_id),
        name=value.name,
        center=place(value.center_latitude, value.center_longitude),
        radius_miles=value.radius_miles,
        is_primary=value.is_primary,
        is_active=value.is_active,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
        boundary=[place(*each) for each in value.boundary],
    )


def values(given: pb.ServiceArea) -> dict[str, Any]:
    """Return what users may set, by the names of the area's fields.

    Raises InvalidArgument for a boundary that bounds no area.
    """
    boundary = [Place(each.latitude, each.longitude) for each in given.boundary]
    center, radius_miles = Place(given.center.latitude, given.center.longitude), given.radius_miles
    if boundary:
        center, radius_miles = circle_of(boundary)
    return {
        "name": given.name,
        "center_latitude": center.latitude,
        "center_longitude": center.longitude,
        "radius_miles": radius_miles,
        "boundary": [[each.latitude, each.longitude] for each in boundary],
        "is_primary": given.is_primary,
        "is_active": given.is_active,
    }
