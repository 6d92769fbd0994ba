"""Miles and minutes between places, as domain.md section 7 defines them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

EARTH_RADIUS_MILES = 3958.7613
ROAD_FACTOR = Decimal("1.2")  # unless Center configures routing.road_factor
MILES_PER_HOUR = 45
TURNOUT_MINUTES = 5  # from the call to the wheels turning, at base


@dataclass(frozen=True, slots=True)
class Place:
    """WGS 84 degrees; west and south are negative."""

    latitude: float
    longitude: float


def haversine_miles(a: Place, b: Place) -> float:
    """Return the great-circle distance in statute miles."""
    lat1, lng1, lat2, lng2 = map(math.radians, (a.latitude, a.longitude, b.latitude, b.longitude))
    h = (
        math.sin((lat2 - lat1) / 2) ** 2
        + math.cos(lat1) * math.cos(lat2) * math.sin((lng2 - lng1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_MILES * math.asin(min(1.0, math.sqrt(h)))


def road_miles(a: Place, b: Place, factor: Decimal = ROAD_FACTOR) -> float:
    """Estimate miles by road, to a tenth, half up."""
    return by_road(haversine_miles(a, b), factor)


def by_road(great_circle_miles: float, factor: Decimal) -> float:
    """Estimate miles by road, to a tenth, half up."""
    miles = Decimal(great_circle_miles) * factor
    return float(miles.quantize(Decimal("0.1"), ROUND_HALF_UP))


def driving(miles: float) -> timedelta:
    """Return the time to drive ``miles``, in whole minutes, rounded up."""
    return timedelta(minutes=math.ceil(round(miles / MILES_PER_HOUR * 60, 9)))
