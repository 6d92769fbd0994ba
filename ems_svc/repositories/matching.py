"""Brings trips and agencies together: reads what matching decides by, writes what it decided."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.unit_of_work import UnitOfWork
from ems_svc.domain.agencies import Agency
from ems_svc.domain.available_trips import AvailableTrip, AvailableTripState, Offering
from ems_svc.domain.distances import road_miles
from ems_svc.domain.offered_trips import OfferedTrip
from ems_svc.repositories import (
    agencies,
    available_trips,
    center_copies,
    facility_directory,
    service_areas,
    units,
)


async def offer_to_all(uow: UnitOfWork, trip: OfferedTrip) -> None:
    """Show a trip to every agency that may bid on it, and close it for those that may not.

    The unit of work visits every agency.
    """
    offering = await _offering(uow, trip)
    for agency in await agencies.everyone(uow):
        await uow.use_tenant(agency.agency_id)
        await _show(uow, agency, offering)


async def offer_all_to(uow: UnitOfWork, agency: Agency, trips: Sequence[OfferedTrip]) -> None:
    """Match open trips anew for one agency: its units, areas or standing changed.

    ``trips`` are held open: a trip that closes meanwhile would be shown open for ever.
    """
    await uow.use_tenant(agency.agency_id)
    for trip in trips:
        await _show(uow, agency, await _offering(uow, trip))


async def _show(uow: UnitOfWork, agency: Agency, offering: Offering) -> None:
    id = agency.agency_id
    shown: AvailableTrip | None = offering.to(
        id,
        is_active=agency.is_active,
        units=await units.active(uow, id),
        areas=await service_areas.active(uow, id),
    )
    if shown is not None:
        await available_trips.offer(uow, shown)
    else:
        gone = AvailableTripState.UNAVAILABLE
        await available_trips.settle(uow, id, offering.trip.transport_request_id, gone)


async def _offering(uow: UnitOfWork, trip: OfferedTrip) -> Offering:
    ends = (trip.origin_facility_id, trip.destination_facility_id)
    known = await facility_directory.by_id(uow, ends)
    origin, destination = (known[id].place for id in ends)
    factor = await center_copies.road_factor(uow)
    return Offering(trip, origin, road_miles(origin, destination, factor), trip.named)
