"""Polygons: what they hold, and which bound no area."""

from __future__ import annotations

import math
from itertools import product

import pytest

from ems_svc.domain.distances import Place, haversine_miles
from ems_svc.domain.polygons import circle_around, contains, objection

# An L around Altoona: its notch is the north-east quarter.
ELL = [
    Place(40.0, -79.0),
    Place(40.0, -78.0),
    Place(40.5, -78.0),
    Place(40.5, -78.5),
    Place(41.0, -78.5),
    Place(41.0, -79.0),
]


@pytest.mark.parametrize(
    ("latitude", "longitude", "is_inside"),
    [
        (40.2, -78.2, True),
        (40.8, -78.8, True),
        (40.8, -78.2, False),  # in the notch: within the circle, not within the polygon
        (40.5, -78.2, True),  # on an edge
        (40.0, -79.0, True),  # a corner
        (40.5, -79.5, False),  # level with a corner, on its west: the ray runs along an edge
        (40.5, -77.5, False),
        (39.9, -78.5, False),
        (41.1, -78.8, False),
    ],
)
@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("way", [1, -1])
def test_a_place_is_within_whichever_way_the_points_go(
    latitude: float, longitude: float, is_inside: bool, turn: int, way: int
) -> None:
    points = [*ELL[turn:], *ELL[:turn]][::way]
    assert contains(points, Place(latitude, longitude)) is is_inside


def test_a_round_polygon_holds_what_its_circle_does() -> None:
    turns = [2 * math.pi * i / 100 for i in range(100)]
    ring = [Place(10 + math.sin(turn), 20 + math.cos(turn)) for turn in turns]
    assert objection(ring) is None
    grid = [i / 10 for i in range(-12, 13)]
    for north, east in product(grid, grid):
        place = Place(10 + north, 20 + east)
        away = math.hypot(place.latitude - 10, place.longitude - 20)
        if not 0.999 < away < 1:  # between the circle and its hundred chords
            assert contains(ring, place) is (away <= 1)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([(0, 0), (1, 1)], "3 to 100"),
        ([(0.0, i / 10) for i in range(101)], "3 to 100"),
        ([(0, 0), (0, 1), (1, 1), (0, 0)], "twice"),
        ([(0, 0), (1, 1), (2, 2)], "a line"),
        ([(0, 0), (1, 1), (0, 1), (1, 0)], "cross"),  # a bow
        ([(0, 0), (0, 2), (1, 2), (0, 1), (1, 0)], "cross"),  # a corner touches an edge
        ([(0, 0), (0, 2), (0, 1), (1, 1)], "cross"),  # an edge runs back along its neighbour
        ([(0, 179), (0, -179), (1, -179), (1, 179)], "antimeridian"),
    ],
)
def test_points_that_bound_no_area_say_why(points: list[tuple[float, float]], why: str) -> None:
    assert why in (objection([Place(*each) for each in points]) or "")


def test_the_circle_around_a_polygon_reaches_its_farthest_point() -> None:
    center, radius_miles = circle_around(ELL)
    assert center == Place(40.5, -78.5)
    assert radius_miles == max(haversine_miles(center, each) for each in ELL)
