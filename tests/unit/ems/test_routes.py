"""Routes: the best order of stops, what is measured, and which moves there are."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.errors import InvalidArgument
from ems_svc.domain import route_orders, routes
from ems_svc.domain.distances import Place
from ems_svc.domain.route_orders import length, shortest
from ems_svc.domain.routes import (
    Route,
    RouteState,
    RouteStatus,
    RouteStop,
    RouteStopKind,
    RouteType,
)
from tests.support.ems_builders import AGENCY, NOON

FACTOR = Decimal("1.2")
ALTOONA, PITTSBURGH = Place(40.514, -78.401), Place(40.443, -79.961)


def scattered(count: int, seed: int) -> list[list[float]]:
    """Return the distances between points that are everywhere, the same for each seed."""
    points = [
        (math.sin(seed + 12.9898 * i) * 43758.5453 % 1, math.sin(seed - 78.233 * i) * 1271.7 % 1)
        for i in range(count)
    ]
    return [[math.dist(a, b) for b in points] for a in points]


def keeps(order: list[int], after: dict[int, int]) -> bool:
    return all(order.index(pickup) < order.index(dropoff) for dropoff, pickup in after.items())


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("first", "last"), [(True, True), (True, False), (False, False)])
def test_the_order_of_few_stops_is_the_shortest(seed: int, first: bool, last: bool) -> None:
    miles, after = scattered(6, seed), {3: 2, 1: 4}
    possible = [
        list(order)
        for order in permutations(range(6))
        if keeps(list(order), after)
        and (not first or order[0] == 0)
        and (not last or order[-1] == 5)
    ]
    found = shortest(miles, after, first=first, last=last)
    assert found in possible
    assert length(miles, found) == pytest.approx(min(length(miles, each) for each in possible))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_many_stops_is_possible_and_no_longer_than_it_was(seed: int) -> None:
    count = 25
    miles = scattered(count, seed)
    after = {number + 1: number for number in range(1, count - 1, 2)}
    found = shortest(miles, after, first=True, last=False)
    assert sorted(found) == list(range(count))
    assert found[0] == 0
    assert keeps(found, after)
    assert length(miles, found) < 0.8 * length(miles, range(count))


def test_many_stops_round_a_lake_are_driven_round_it(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [(number * 7 % 20) * math.pi / 10 for number in range(20)]
    points = [(math.sin(turn), math.cos(turn)) for turn in turns]
    miles = [[math.dist(a, b) for b in points] for a in points]
    found = shortest(miles, {}, first=True, last=False)
    assert length(miles, found) == pytest.approx(19 * 2 * math.sin(math.pi / 20))
    monkeypatch.setattr(route_orders, "EXACT_STOPS", 0)
    for seed in range(10):  # step by step comes near the best
        miles = scattered(7, seed)
        best = min(length(miles, [0, *each]) for each in permutations(range(1, 7)))
        assert length(miles, shortest(miles, {}, first=True, last=False)) < 1.25 * best


def a_stop(kind: str, place: Place = ALTOONA, trip: UUID | None = None) -> RouteStop:
    return RouteStop(
        kind=RouteStopKind(kind), facility_id=None, transport_request_id=trip, place=place
    )


def a_route(*stops: RouteStop, **changes: Any) -> Route:
    values = {"route_name": "Loop", "route_type": RouteType.STANDARD, "stops": stops}
    return replace(routes.create(AGENCY, uuid4(), FACTOR, NOON, **values), **changes)


def test_length_and_time_are_those_of_the_vector() -> None:
    there = a_route(a_stop("BASE"), a_stop("PICKUP", PITTSBURGH))
    assert there.distance_miles == pytest.approx(82.1327 * 1.2, abs=1e-3)
    assert there.distance_meters == round(there.distance_miles * 1609.344)
    assert there.estimated_minutes == 132
    back = a_route(*there.stops, a_stop("BASE"))
    assert back.distance_miles == pytest.approx(2 * there.distance_miles, abs=2e-3)
    assert a_route(a_stop("BASE"), a_stop("BASE")).estimated_minutes == 0
    with pytest.raises(InvalidArgument) as refused:
        a_route(*[a_stop("PICKUP", Place(0, 180 * (each % 2))) for each in range(4)])
    assert list(refused.value.violations) == ["route.waypoints"]


def test_stops_that_cannot_be_driven_in_this_order_are_named() -> None:
    trip, other = uuid4(), uuid4()

    def wrong(*stops: RouteStop) -> list[str]:
        try:
            routes.check(stops)
        except InvalidArgument as refused:
            return [each.partition("[")[2][0] for each in refused.violations]
        return []

    pickup, dropoff = a_stop("PICKUP", trip=trip), a_stop("DROPOFF", trip=trip)
    assert wrong(a_stop("BASE"), pickup, a_stop("DROPOFF", trip=other), dropoff) == []
    assert wrong(dropoff, pickup) == ["0"]
    assert wrong(pickup, pickup, dropoff, dropoff) == ["1", "3"]
    assert wrong(a_stop("BASE", trip=trip), pickup) == ["0"]
    assert wrong(a_stop("PICKUP"), a_stop("PICKUP")) == []


ALLOWED = {
    (RouteStatus.DRAFT, RouteStatus.ACTIVE),
    (RouteStatus.ACTIVE, RouteStatus.COMPLETED),
    (RouteStatus.DRAFT, RouteStatus.ARCHIVED),
    (RouteStatus.COMPLETED, RouteStatus.ARCHIVED),
}


@pytest.mark.parametrize("status", list(RouteStatus))
def test_a_route_moves_forward_and_changes_until_it_has_been_driven(status: RouteStatus) -> None:
    route = a_route(a_stop("BASE"), a_stop("BASE"), status=status)
    for wanted in (RouteStatus.ACTIVE, RouteStatus.COMPLETED, RouteStatus.ARCHIVED):
        if (status, wanted) in ALLOWED:
            assert route.move_to(wanted, NOON).status is wanted
        else:
            with pytest.raises(RouteState):
                route.move_to(wanted, NOON)
    if status in {RouteStatus.DRAFT, RouteStatus.ACTIVE}:
        assert route.changed(FACTOR, NOON, route_name="Other").row_version == 2
    else:
        with pytest.raises(RouteState):
            route.changed(FACTOR, NOON, route_name="Other")
