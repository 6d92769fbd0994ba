"""Levels, distances, money and who may see a trip: domain.md's vectors."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from chassis.vocabulary import JobStatus, Priority, TransportLevel, UnitType
from ems_svc.domain.arrivals import Way
from ems_svc.domain.available_trips import AvailableTripState, Offering, differences
from ems_svc.domain.distances import Place, driving, haversine_miles, road_miles
from ems_svc.domain.levels import RANKS, effective
from ems_svc.domain.offered_trips import Offer
from ems_svc.domain.rates import revenue_amount
from ems_svc.domain.service_areas import ServiceArea
from tests.support.ems_builders import AGENCY, NOON, a_trip, a_unit

ALTOONA, PITTSBURGH = Place(40.514, -78.401), Place(40.443, -79.961)


def an_area(center: Place = ALTOONA, radius_miles: float = 10) -> ServiceArea:
    return ServiceArea(
        agency_id=AGENCY,
        id=uuid4(),
        name="Base",
        center_latitude=center.latitude,
        center_longitude=center.longitude,
        radius_miles=radius_miles,
        boundary=[],
        is_primary=False,
        is_active=True,
        created_at=NOON,
        updated_at=NOON,
        row_version=1,
    )


def test_distances_and_money_are_those_of_the_vector() -> None:
    assert haversine_miles(ALTOONA, PITTSBURGH) == pytest.approx(82.1327, abs=5e-5)
    assert road_miles(ALTOONA, PITTSBURGH) == 98.6
    assert driving(98.6) == timedelta(minutes=132)
    amount = revenue_amount(TransportLevel.ALS, Priority.HIGH, 98.6, {})
    assert amount == Decimal("618.44")


@pytest.mark.parametrize(
    ("priority", "amount"),
    [
        (Priority.URGENT, "262.50"),
        (Priority.HIGH, "218.75"),
        (Priority.MEDIUM, "175.00"),
        (Priority.LOW, "157.50"),
    ],
)
def test_priorities_have_their_price(priority: Priority, amount: str) -> None:
    assert revenue_amount(TransportLevel.BLS, priority, 40.0, {}) == Decimal(amount)


def test_an_empty_way_takes_no_time() -> None:
    assert haversine_miles(ALTOONA, ALTOONA) == 0
    assert driving(45.0) == timedelta(minutes=60)


@pytest.mark.parametrize("vehicle", list(UnitType))
@pytest.mark.parametrize("crew", list(TransportLevel))
def test_a_unit_carries_the_lower_of_vehicle_and_crew(
    vehicle: UnitType, crew: TransportLevel
) -> None:
    level = effective(vehicle, crew)
    assert RANKS[level] <= RANKS[crew]
    assert a_unit(type=vehicle, crew_level=crew).qualifies(level, [])


def offered(offering: Offering, **changes: Any) -> AvailableTripState | None:
    known: dict[str, Any] = {"is_active": True, "units": [a_unit()], "areas": [an_area()]}
    trip = offering.to(AGENCY, **(known | changes))
    return trip.state if trip else None


def test_an_agency_sees_what_it_can_carry_where_it_works() -> None:
    offering = Offering(a_trip(), ALTOONA, 98.6, {})
    assert offered(offering) is AvailableTripState.OPEN
    assert offered(offering, units=[]) is None
    assert offered(offering, areas=[an_area(PITTSBURGH)]) is None
    assert offered(offering, is_active=False) is None
    assert offered(offering, units=[a_unit(capabilities=[])]) is None


def test_a_preference_overrides_the_area_never_the_level() -> None:
    named = Offering(a_trip(broadcast_at=None), ALTOONA, 98.6, {AGENCY: Offer(0, NOON)})
    assert offered(named, areas=[]) is AvailableTripState.OPEN
    assert offered(named, units=[a_unit(type=UnitType.BLS)]) is None
    assert offered(named, is_active=False) is None
    assert offered(Offering(named.trip, ALTOONA, 98.6, {uuid4(): Offer(0, NOON)})) is None


def test_a_watch_tells_what_is_new_changed_or_gone() -> None:
    offering = Offering(a_trip(), ALTOONA, 98.6, {})
    trip = offering.to(AGENCY, is_active=True, units=[a_unit()], areas=[an_area()])
    assert trip is not None
    changed = replace(trip, material_version=2)
    known = {trip.transport_request_id: trip}
    assert differences({}, [trip]) == ([trip], [])
    assert differences(known, [trip]) == ([], [])
    assert differences(known, [changed]) == ([changed], [])
    assert differences(known, []) == ([], [trip.transport_request_id])


def test_arrivals_are_estimated_from_where_the_unit_is() -> None:
    way = Way(ALTOONA, PITTSBURGH, Decimal("1.2"))
    assert way.estimate(JobStatus.ACCEPTED, ALTOONA, NOON) == (
        NOON + timedelta(minutes=5),
        NOON + timedelta(minutes=137),
    )
    assert way.estimate(JobStatus.IN_TRANSIT, PITTSBURGH, NOON) == (None, NOON)
    assert way.estimate(JobStatus.AT_DESTINATION, PITTSBURGH, NOON) == (None, None)
