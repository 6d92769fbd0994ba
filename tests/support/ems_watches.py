"""Watches of the EMS silo, each opened by an agency's dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medport.ems.v1 import (
    available_trips_pb2,
    notifications_pb2,
    notifications_pb2_grpc,
    units_pb2,
)

from tests.support.ems_silo import Agency

Watch = Callable[[Agency], Any]


def available_trips(agency: Agency) -> Any:
    request = available_trips_pb2.WatchAvailableTripsRequest(agency_id=str(agency.id))
    return agency.silo.trips.WatchAvailableTrips(request, metadata=agency.dispatcher)


def units(agency: Agency) -> Any:
    request = units_pb2.WatchUnitsRequest(agency_id=str(agency.id))
    return agency.silo.units.WatchUnits(request, metadata=agency.dispatcher)


def notifications(agency: Agency) -> Any:
    stub: Any = notifications_pb2_grpc.NotificationServiceStub(agency.silo.channel)
    request = notifications_pb2.WatchNotificationsRequest(agency_id=str(agency.id))
    return stub.WatchNotifications(request, metadata=agency.dispatcher)
