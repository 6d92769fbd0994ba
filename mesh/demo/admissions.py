"""Admits everybody of the data set, and waits until the silos have heard of one another."""

from __future__ import annotations

import math
from collections import defaultdict

from mesh.demo import agencies, dataset, hospitals
from mesh.demo.admission import Admission, some_at_once
from mesh.demo.cast import AgencyPart, Cast
from mesh.demo.dataset import Agency, Facility

_PREFERRED = 3


async def admit_all(admission: Admission) -> Cast:
    """Return the complete cast: hospitals, agencies, and who prefers whom."""
    places: dict[str, list[Facility]] = defaultdict(list)
    for place in dataset.facilities():
        places[place.hospital].append(place)
    fleet = dataset.agencies()
    of_hospitals = await some_at_once(
        hospitals.admit(admission, name, those) for name, those in places.items()
    )
    of_agencies = await some_at_once(agencies.admit(admission, agency) for agency in fleet)
    facility_count = sum(map(len, places.values()))
    for part in of_hospitals:
        await hospitals.until_directory(admission, part, facility_count, len(fleet))
    await some_at_once(
        hospitals.prefer(admission, part, _nearest(places[part.name][0], fleet, of_agencies))
        for part in of_hospitals
    )
    return Cast(of_hospitals, of_agencies)


def _nearest(place: Facility, fleet: list[Agency], parts: list[AgencyPart]) -> list[str]:
    ids = {part.key: part.id for part in parts}
    there = (place.latitude, place.longitude)
    ordered = sorted(fleet, key=lambda a: math.dist(there, (a.latitude, a.longitude)))
    return [ids[agency.key] for agency in ordered[:_PREFERRED]]
