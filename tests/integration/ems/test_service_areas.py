"""Service areas: circles and polygons, one of them primary, and what they cover.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from medport.ems.v1 import service_areas_pb2 as pb

from tests.support.ems_silo import ALTOONA, Agency, EmsSilo
from tests.support.ems_trips import Run
from tests.support.hospital_silo import refused

Code = grpc.StatusCode
# Three quarters of a square, with Altoona in it; the notch is its north-east quarter.
ELL: list[Any] = [
    {"latitude": 40.0, "longitude": -79.0},
    {"latitude": 40.0, "longitude": -78.0},
    {"latitude": 40.6, "longitude": -78.0},
    {"latitude": 40.6, "longitude": -78.5},
    {"latitude": 41.0, "longitude": -78.5},
    {"latitude": 41.0, "longitude": -79.0},
]
IN_THE_NOTCH = {"latitude": 40.8, "longitude": -78.2}


async def covering(agency: Agency, place: Any) -> list[str]:
    request = pb.CheckCoverageRequest(agency_id=str(agency.id), location=place)
    answer = await agency.silo.areas.CheckCoverage(request, metadata=agency.dispatcher)
    assert answer.is_covered is bool(answer.service_areas)
    return [area.id for area in answer.service_areas]


async def add_polygon(agency: Agency, points: list[Any] = ELL) -> pb.ServiceArea:
    area = pb.ServiceArea(name="Valley", boundary=points)
    request = pb.CreateServiceAreaRequest(service_area=area, **agency.own)
    return (await agency.silo.areas.CreateServiceArea(request, metadata=agency.admin)).service_area


def change(agency: Agency, id: str, *paths: str, etag: str = "1", **values: Any) -> Any:
    request = pb.UpdateServiceAreaRequest(
        service_area_id=id,
        service_area=pb.ServiceArea(**values),
        update_mask=FieldMask(paths=paths),
        etag=etag,
        **agency.own,
    )
    return agency.silo.areas.UpdateServiceArea(request, metadata=agency.admin)


def remove(agency: Agency, id: str, etag: str = "1") -> Any:
    request = pb.DeleteServiceAreaRequest(service_area_id=id, etag=etag, **agency.own)
    return agency.silo.areas.DeleteServiceArea(request, metadata=agency.admin)


async def test_trips_that_begin_in_a_polygon_are_offered_until_it_is_gone(silo: EmsSilo) -> None:
    swift = Run(await silo.agency(radius_miles=0))
    await swift.agency.add_unit()
    await swift.offer()

    area = await add_polygon(swift.agency)
    assert len(await swift.listed()) == 1
    stale = await refused(remove(swift.agency, area.id, etag="2"))
    await remove(swift.agency, area.id)

    assert (stale.code, stale.reason) == (Code.ABORTED, "ETAG_MISMATCH")
    assert await swift.listed() == []
    gone = await refused(remove(swift.agency, area.id))
    assert gone.code == Code.NOT_FOUND


async def test_trips_that_begin_within_its_circle_alone_are_not_offered(silo: EmsSilo) -> None:
    swift = Run(await silo.agency(radius_miles=0))
    await swift.agency.add_unit()
    await add_polygon(swift.agency)
    origin, destination = swift.trip.facilities()
    origin.facility.location.latitude = IN_THE_NOTCH["latitude"]
    origin.facility.location.longitude = IN_THE_NOTCH["longitude"]

    await silo.hear(origin, destination, swift.trip.created())
    assert await swift.listed() == []

    await swift.agency.add_area(center=IN_THE_NOTCH, radius_miles=1)
    assert len(await swift.listed()) == 1


async def test_a_polygon_covers_what_is_within_it_and_not_its_circle(silo: EmsSilo) -> None:
    swift, rival = await silo.agency(radius_miles=0), await silo.agency("Rival", radius_miles=0)
    area = await add_polygon(swift)
    circle = await swift.add_area(radius_miles=1)

    assert area.center.latitude == pytest.approx(40.5)
    assert 40 < area.radius_miles < 50
    assert await covering(swift, ALTOONA) == [area.id, circle]
    assert await covering(swift, IN_THE_NOTCH) == []
    assert await covering(rival, ALTOONA) == []
    await change(swift, area.id, "is_active", is_active=False)
    assert await covering(swift, ALTOONA) == [circle]


async def test_a_polygon_becomes_a_circle_that_is_drawn_and_none_by_itself(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    area = await add_polygon(swift)
    round_it: dict[str, Any] = {"center": IN_THE_NOTCH, "radius_miles": 1.0}
    for left_out, paths in (
        (["center", "radius_miles"], ["boundary"]),
        (["radius_miles"], ["boundary", "center"]),
        (["center"], ["boundary", "radius_miles"]),
    ):
        told = await refused(change(swift, area.id, *paths, **round_it))
        assert told.code == Code.INVALID_ARGUMENT
        assert told.fields == [f"service_area.{name}" for name in left_out]
    assert await covering(swift, IN_THE_NOTCH) == []

    await change(swift, area.id, "boundary", *round_it, **round_it)
    assert await covering(swift, IN_THE_NOTCH) == [area.id]
    assert await covering(swift, ALTOONA) == []
    await change(swift, area.id, "boundary", etag="2")  # there is none to lose


BOUND_NOTHING = [
    ([ELL[0], ELL[3], ELL[1], ELL[5]], "service_area.boundary"),
    (ELL[:2], "service_area.boundary"),
    ([*ELL, ELL[0]], "service_area.boundary"),
    ([ELL[0], ELL[1], {"latitude": 60.0, "longitude": -78.0}], "service_area.boundary"),
    ([ELL[0], ELL[1], {"latitude": math.nan}], "service_area.boundary[2]"),
    ([], "service_area.center"),
]


async def test_a_boundary_that_bounds_no_area_is_refused(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    for points, field in BOUND_NOTHING:
        answer = await refused(add_polygon(swift, points))
        assert answer.code == Code.INVALID_ARGUMENT
        assert field in answer.fields


async def test_at_most_one_active_area_is_primary(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    first = await swift.add_area(is_primary=True)

    second = await refused(swift.add_area(is_primary=True))

    assert (second.code, second.reason) == (Code.ALREADY_EXISTS, "PRIMARY_AREA_EXISTS")
    request = pb.ListServiceAreasRequest(agency_id=str(swift.id))
    listed = await silo.areas.ListServiceAreas(request, metadata=swift.dispatcher)
    assert [area.id for area in listed.service_areas] == [first]


async def test_a_list_of_areas_is_narrowed(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    main = await swift.add_area(is_primary=True)
    old, other = await swift.add_area(), await swift.add_area()
    await change(swift, old, "is_active", is_active=False)

    async def listed(**wanted: bool) -> list[str]:
        request = pb.ListServiceAreasRequest(
            agency_id=str(swift.id), filter=pb.ServiceAreaFilter(**wanted)
        )
        answer = await silo.areas.ListServiceAreas(request, metadata=swift.dispatcher)
        return [area.id for area in answer.service_areas]

    assert await listed() == [main, old, other]
    assert await listed(is_active=False) == [old]
    assert await listed(is_primary=True) == [main]
    assert await listed(is_active=True, is_primary=False) == [other]


@pytest.mark.parametrize("radius", [0, -1, 501, math.nan, math.inf])
async def test_a_radius_is_a_number_of_miles(silo: EmsSilo, radius: float) -> None:
    swift = await silo.agency(radius_miles=0)
    answer = await refused(swift.add_area(radius_miles=radius))
    assert (answer.code, answer.fields[0]) == (
        Code.INVALID_ARGUMENT,
        "service_area.radius_miles",
    )


async def test_another_agencys_area_does_not_exist(silo: EmsSilo) -> None:
    swift, rival = await silo.agency(), await silo.agency("Rival", radius_miles=0)
    area = await swift.add_area()

    def ask(id: str) -> pb.GetServiceAreaRequest:
        return pb.GetServiceAreaRequest(agency_id=str(rival.id), service_area_id=id)

    theirs = await refused(silo.areas.GetServiceArea(ask(area), metadata=rival.dispatcher))
    nobody = str(uuid4())
    missing = await refused(silo.areas.GetServiceArea(ask(nobody), metadata=rival.dispatcher))
    assert theirs.code == missing.code == Code.NOT_FOUND
    assert theirs.text.replace(area, "") == missing.text.replace(nobody, "")
