"""Units as callers see them: with what other tables know of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from medport.ems.v1 import units_pb2 as pb

from chassis.unit_of_work import Rows
from ems_svc.domain.distances import haversine_miles
from ems_svc.domain.units import Unit, Wanted
from ems_svc.messages import units as messages
from ems_svc.repositories import unit_availability, unit_locations, units


async def show(rows: Rows, agency_id: UUID, values: Sequence[Unit], at: datetime) -> list[pb.Unit]:
    ids = [unit.id for unit in values]
    places = await unit_locations.of_units(rows, agency_id, ids)
    begun = await unit_availability.begun(rows, agency_id, ids, at)
    return [messages.shown(each, places.get(each.id), begun.get(each.id), at) for each in values]


async def show_one(rows: Rows, unit: Unit, at: datetime) -> pb.Unit:
    [shown] = await show(rows, unit.agency_id, [unit], at)
    return shown


async def near(
    rows: Rows, agency_id: UUID, wanted: Wanted, at: datetime
) -> list[tuple[float, Unit]]:
    """Return the units that are wanted, with their miles to the place, the nearest first.

    A unit whose place is not known, or was so too long ago, is near to nothing.
    """
    known = await units.active(rows, agency_id)
    ids = [unit.id for unit in known]
    places = await unit_locations.of_units(rows, agency_id, ids)
    begun = await unit_availability.begun(rows, agency_id, ids, at)
    found = [
        (haversine_miles(wanted.place, places[unit.id].place), unit)
        for unit in known
        if unit.id in places
        and not places[unit.id].is_stale(at)
        and wanted.admits(unit, is_on_shift=unit.is_on_shift(begun.get(unit.id), at))
    ]
    return sorted(
        (each for each in found if each[0] <= wanted.radius_miles),
        key=lambda each: (each[0], each[1].id),
    )
