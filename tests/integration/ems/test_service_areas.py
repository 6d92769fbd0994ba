"""Service areas: circles, one of them primary.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

import math
from uuid import uuid4

import grpc
import pytest
from medport.ems.v1 import service_areas_pb2 as pb

from tests.support.ems_silo import EmsSilo
from tests.support.hospital_silo import refused

Code = grpc.StatusCode


async def test_at_most_one_active_area_is_primary(silo: EmsSilo) -> None:
    swift = await silo.agency(radius_miles=0)
    first = await swift.add_area(is_primary=True)

    second = await refused(swift.add_area(is_primary=True))

    assert (second.code, second.reason) == (Code.ALREADY_EXISTS, "PRIMARY_AREA_EXISTS")
    request = pb.ListServiceAreasRequest(agency_id=str(swift.id))
    listed = await silo.areas.ListServiceAreas(request, metadata=swift.dispatcher)
    assert [area.id for area in listed.service_areas] == [first]


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
