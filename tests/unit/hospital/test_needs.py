"""What a trip asks: its ends, its period, and which changes make bids outdated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.errors import InvalidArgument
from chassis.vocabulary import Priority, TransportLevel, TripLeg, TripStatus
from hospital_svc.domain import needs
from hospital_svc.domain.needs import Place
from hospital_svc.domain.refusals import FacilityInactive
from tests.support.hospital_values import HOSPITAL, LATER, NOON, a_trip


def a_place(**changes: Any) -> Place:
    known: dict[str, Any] = {"facility_id": uuid4(), "hospital_id": HOSPITAL, "is_active": True}
    return Place(**(known | changes))


@pytest.mark.parametrize(
    ("changes", "material"),
    [
        ({"transport_level": TransportLevel.CCT}, True),
        ({"transport_level": TransportLevel.ALS}, False),
        ({"required_capabilities": ["OXYGEN", "VENTILATOR"]}, True),
        ({"required_capabilities": ["OXYGEN"]}, False),
        ({"ready_at": NOON + timedelta(minutes=1)}, True),
        ({"latest_pickup_at": NOON + timedelta(hours=4)}, True),
        ({"origin_facility_id": uuid4()}, True),
        ({"priority": Priority.LOW}, False),
        ({"special_requirements": "x"}, False),
    ],
)
def test_only_what_matters_to_an_agency_is_material(
    changes: dict[str, Any], material: bool
) -> None:
    trip = a_trip()
    revised = needs.revise(trip, changes, at=LATER).trip
    assert revised.material_version == trip.material_version + material


def test_an_offer_never_outlasts_the_latest_pickup() -> None:
    trip = replace(a_trip(), offer_expires_at=NOON + timedelta(hours=2))
    sooner = NOON + timedelta(hours=1)
    assert (
        needs.revise(trip, {"latest_pickup_at": sooner}, at=LATER).trip.offer_expires_at == sooner
    )
    carried = replace(a_trip(TripStatus.ACCEPTED), offer_expires_at=trip.offer_expires_at)
    kept = needs.revise(carried, {"latest_pickup_at": sooner}, at=LATER).trip
    assert kept.offer_expires_at == trip.offer_expires_at


@pytest.mark.parametrize("hours", [-1, 0])
def test_a_pickup_in_the_past_is_refused(hours: int) -> None:
    with pytest.raises(InvalidArgument) as told:
        needs.revise(
            a_trip(ready_at=NOON - timedelta(days=1)),
            {"latest_pickup_at": LATER + timedelta(hours=hours)},
            at=LATER,
        )
    assert list(told.value.violations) == ["transport_request.latest_pickup_time"]


def test_a_trip_leads_away_from_the_hospital_to_another_place() -> None:
    here, there = a_place(), a_place(hospital_id=uuid4())
    there_and = needs.ends(HOSPITAL, TripLeg.OUTBOUND, here, there)
    assert there_and["destination_hospital_id"] == there.hospital_id
    assert needs.ends(HOSPITAL, TripLeg.RETURN, there, here)["destination_hospital_id"] == HOSPITAL
    with pytest.raises(InvalidArgument):
        needs.ends(HOSPITAL, TripLeg.RETURN, here, there)
    for origin, destination, field in (
        (there, here, "origin_facility_id"),
        (None, here, "origin_facility_id"),
        (here, here, "destination_facility_id"),
        (here, None, "destination_facility_id"),
    ):
        with pytest.raises(InvalidArgument) as told:
            needs.ends(HOSPITAL, TripLeg.OUTBOUND, origin, destination)
        assert list(told.value.violations) == [f"transport_request.{field}"]
    with pytest.raises(FacilityInactive):
        needs.ends(HOSPITAL, TripLeg.OUTBOUND, here, a_place(is_active=False))


def test_trip_numbers_are_for_people() -> None:
    day, _, rest = needs.trip_number(NOON).partition("-")
    assert (day, len(rest)) == ("20261125", 5)
    assert set(rest).isdisjoint("ILOU")
