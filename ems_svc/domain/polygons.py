"""Polygons on the map: which are fit to bound an area, and what lies within.

Edges are straight in degrees, as GeoJSON has them (RFC 7946, 3.1.1): a map draws what is matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ems_svc.domain.distances import Place, haversine_miles

LEAST_POINTS, MOST_POINTS = 3, 100
HALF_TURN = 180.0

Edge = tuple[Place, Place]


def objection(points: Sequence[Place]) -> str | None:
    """Say why ``points`` bound no area; None when they do. The last is joined to the first."""
    if not LEAST_POINTS <= len(points) <= MOST_POINTS:
        return f"must have {LEAST_POINTS} to {MOST_POINTS} points"
    if len(set(points)) < len(points):
        return "must not have a point twice; the last is joined to the first by itself"
    edges = _edges(points)
    if any(abs(a.longitude - b.longitude) > HALF_TURN for a, b in edges):
        return "must not cross the antimeridian: make an area on either side"
    if all(_side(points[0], points[1], each) == 0 for each in points):
        return "must not be a line"
    if any(_collide(edges, i, j) for i, j in combinations(range(len(edges)), 2)):
        return "must not cross or touch itself"
    return None


def contains(points: Sequence[Place], place: Place) -> bool:
    """Tell whether ``place`` is within the polygon, or on its edge.

    A ray eastward from it crosses the edge an odd number of times.
    """
    is_inside = False
    for a, b in _edges(points):
        if _is_on(a, b, place):
            return True
        if (a.latitude > place.latitude) != (b.latitude > place.latitude):
            side = _side(a, b, place)
            is_inside ^= side > 0 if a.latitude < b.latitude else side < 0
    return is_inside


def circle_around(points: Sequence[Place]) -> tuple[Place, float]:
    """Return a center and the miles from it to the farthest point, for who shows circles only."""
    latitudes = [each.latitude for each in points]
    longitudes = [each.longitude for each in points]
    center = Place(
        (min(latitudes) + max(latitudes)) / 2,
        (min(longitudes) + max(longitudes)) / 2,
    )
    return center, max(haversine_miles(center, each) for each in points)


def _edges(points: Sequence[Place]) -> list[Edge]:
    return list(zip(points, [*points[1:], points[0]], strict=True))


def _side(a: Place, b: Place, c: Place) -> float:
    """Return more than 0 when ``c`` lies left of the way from ``a`` to ``b``, 0 on its line."""
    return (b.longitude - a.longitude) * (c.latitude - a.latitude) - (b.latitude - a.latitude) * (
        c.longitude - a.longitude
    )


def _is_on(a: Place, b: Place, c: Place) -> bool:
    return (
        _side(a, b, c) == 0
        and min(a.latitude, b.latitude) <= c.latitude <= max(a.latitude, b.latitude)
        and min(a.longitude, b.longitude) <= c.longitude <= max(a.longitude, b.longitude)
    )


def _collide(edges: Sequence[Edge], i: int, j: int) -> bool:
    """Tell whether two edges meet elsewhere than neighbours do: in the point that they share."""
    (a, b), (c, d) = edges[i], edges[j]
    if b == c:
        return _is_on(a, b, d) or _is_on(c, d, a)
    if d == a:
        return _is_on(a, b, c) or _is_on(c, d, b)
    if any((_is_on(a, b, c), _is_on(a, b, d), _is_on(c, d, a), _is_on(c, d, b))):
        return True
    return _differ(_side(a, b, c), _side(a, b, d)) and _differ(_side(c, d, a), _side(c, d, b))


def _differ(one: float, other: float) -> bool:
    return (one > 0 > other) or (one < 0 < other)
