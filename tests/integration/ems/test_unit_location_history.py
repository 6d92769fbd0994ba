"""Where units are and were: taken as they come, kept sparsely, found by distance, forgotten.

Run: ``python -m pytest tests/integration/ems``; needs PostgreSQL.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from medport.center.events.v1 import system_configurations_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import units_pb2 as pb

from chassis.clock import timestamp, utc_now
from ems_svc.domain.distances import EARTH_RADIUS_MILES
from ems_svc.timers import unit_locations
from tests.support.ems_silo import ALTOONA, Agency, EmsSilo
from tests.support.hospital_silo import refused

Code = grpc.StatusCode
MILE = 180 / 3.141592653589793 / EARTH_RADIUS_MILES  # in degrees of latitude


@pytest.fixture
async def swift(silo: EmsSilo) -> Agency:
    return await silo.agency(radius_miles=0)


async def report(
    agency: Agency, unit_id: str, *fixes: tuple[float, float], at: datetime | None = None
) -> pb.ReportLocationResponse:
    """Report fixes: seconds from now, miles north of Altoona."""
    now = at or utc_now()
    requests = [
        pb.ReportLocationRequest(
            agency_id=str(agency.id),
            unit_id=unit_id,
            location={
                "latitude": ALTOONA["latitude"] + miles * MILE,
                "longitude": ALTOONA["longitude"],
            },
            fix_time=timestamp(now + timedelta(seconds=seconds)),
        )
        for seconds, miles in fixes
    ]
    return await agency.silo.units.ReportLocation(iter(requests), metadata=agency.dispatcher)


async def history(agency: Agency, unit_id: str, by: Any = None, **span: Any) -> list[float]:
    """Return how many miles north of Altoona the unit was, the latest first, in pages of two."""
    wanted: Any = {"fix_time": span}
    request = pb.ListUnitLocationsRequest(
        agency_id=str(agency.id),
        unit_id=unit_id,
        page_size=2,
        filter=pb.UnitLocationFilter(**wanted),
    )
    found = list[float]()
    while True:
        page = await agency.silo.units.ListUnitLocations(request, metadata=by or agency.dispatcher)
        degrees = (each.location.latitude - ALTOONA["latitude"] for each in page.unit_locations)
        found += [round(each / MILE, 2) for each in degrees]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def near(agency: Agency, radius_miles: float = 50, **wanted: Any) -> list[tuple[str, float]]:
    request = pb.ListNearbyUnitsRequest(
        agency_id=str(agency.id),
        location=ALTOONA,
        radius_miles=radius_miles,
        filter=pb.NearbyUnitFilter(**wanted),
        page_size=2,
    )
    found = list[tuple[str, float]]()
    while True:
        page = await agency.silo.units.ListNearbyUnits(request, metadata=agency.dispatcher)
        found += [(each.unit.id, round(each.distance_miles, 3)) for each in page.nearby_units]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_one_fix_in_thirty_seconds_is_kept_and_each_that_is_far_away(swift: Agency) -> None:
    unit, now = await swift.add_unit(), utc_now()
    fixes = [(-100.0, 0.0), (-90, 0.1), (-80, 0.3), (-75, 0.4), (-50, 0.4), (-45, 0.4)]

    answer = await report(swift, unit.id, *fixes, (-60, 9), (-45, 9), (120, 9), at=now)

    assert (answer.accepted_count, answer.outdated_count, answer.future_count) == (6, 2, 1)
    assert answer.kept_count == 3
    assert await history(swift, unit.id) == [0.4, 0.3, 0.0]
    since = {"start_time": timestamp(now - timedelta(seconds=80))}
    assert await history(swift, unit.id, **since) == [0.4, 0.3]
    until = {"end_time": timestamp(now - timedelta(seconds=50))}
    assert await history(swift, unit.id, **until) == [0.3, 0.0]


async def test_a_crew_reads_where_its_own_unit_was_and_center_nothing(
    silo: EmsSilo, swift: Agency
) -> None:
    own, other = await swift.add_unit(), await swift.add_unit()
    rival = await silo.agency("Rival", radius_miles=0)
    crew = await silo.login(swift.id, "CREW", own.id)
    billing = await silo.login(swift.id, "BILLING")
    for unit in (own, other):
        await report(swift, unit.id, (-5, 1))

    assert await history(swift, own.id, crew) == [1.0]
    assert (await refused(history(swift, other.id, crew))).code == Code.NOT_FOUND
    assert (await refused(history(rival, other.id))).code == Code.NOT_FOUND
    assert (await refused(history(swift, own.id, billing))).code == Code.PERMISSION_DENIED


async def test_places_are_forgotten_when_the_center_says(silo: EmsSilo, swift: Agency) -> None:
    unit, now = await swift.add_unit(), utc_now()
    for days in (-40, -8, -6):
        await report(swift, unit.id, (0, -days), at=now + timedelta(days=days))

    await unit_locations.sweep(silo.database, utc_now)  # or the silo's own was there before
    assert await history(swift, unit.id) == [6.0, 8.0]
    changed = system_configurations_pb2.SystemConfigurationChanged(
        key="location.retention_days", value_type="DECIMAL", is_active=True, version=1
    )
    changed.value.string_value = "7"
    await silo.hear(changed)
    await unit_locations.sweep(silo.database, utc_now)
    assert await history(swift, unit.id) == [6.0]


async def test_the_nearest_units_that_could_go_come_first(silo: EmsSilo, swift: Agency) -> None:
    far, pausing, silent, lost, away = [await swift.add_unit() for _ in range(5)]
    close = await swift.add_unit(capabilities=[])
    weak = await swift.add_unit(crew_level=words.TRANSPORT_LEVEL_BLS)
    over = await swift.add_unit(shift_end_time=timestamp(utc_now()))
    rest = pb.SetUnitStatusRequest(
        unit_id=pausing.id, status=words.UNIT_STATUS_ON_BREAK, **swift.own
    )
    await silo.units.SetUnitStatus(rest, metadata=swift.dispatcher)
    for unit, miles in ((far, 20), (close, 1), (weak, 5), (pausing, 2), (away, 60), (over, 3)):
        await report(swift, unit.id, (-5, miles))
    await report(swift, lost.id, (-601, 1))

    assert await near(swift) == [(close.id, 1), (weak.id, 5), (far.id, 20)]
    assert await near(swift, 4) == [(close.id, 1)]
    able = await near(swift, transport_level=words.TRANSPORT_LEVEL_ALS)
    assert able == [(close.id, 1), (far.id, 20)]
    equipped = await near(swift, required_capabilities=[words.CAPABILITY_OXYGEN])
    assert equipped == [(weak.id, 5), (far.id, 20)]
    assert await near(swift, statuses=[words.UNIT_STATUS_ON_BREAK]) == [(pausing.id, 2)]
    assert silent.id not in dict(await near(swift, 500))
    request = pb.ListNearbyUnitsRequest(agency_id=str(swift.id), location=ALTOONA, radius_miles=4)
    answer = await silo.units.ListNearbyUnits(request, metadata=swift.dispatcher)
    assert answer.nearby_units[0].estimated_minutes == 2  # 1.2 miles by road, at 45 an hour
    nowhere = await refused(near(swift, 0))
    assert nowhere.fields == ["radius_miles"]
