"""Units as callers see them: with what other tables know of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from medport.ems.v1 import units_pb2 as pb

from chassis.unit_of_work import Rows
from ems_svc.domain.units import Unit
from ems_svc.messages import units as messages
from ems_svc.repositories import unit_availability, unit_locations


async def show(rows: Rows, agency_id: UUID, units: Sequence[Unit], at: datetime) -> list[pb.Unit]:
    ids = [unit.id for unit in units]
    places = await unit_locations.of_units(rows, agency_id, ids)
    begun = await unit_availability.begun(rows, agency_id, ids, at)
    return [messages.shown(each, places.get(each.id), begun.get(each.id), at) for each in units]


async def show_one(rows: Rows, unit: Unit, at: datetime) -> pb.Unit:
    [shown] = await show(rows, unit.agency_id, [unit], at)
    return shown
