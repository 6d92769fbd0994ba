"""Units and where they are, to and from the contract."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import units_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.vocabulary import Capability, TransportLevel, UnitStatus, UnitType
from chassis.wire import member, names_of, number, place
from ems_svc.domain.distances import Place
from ems_svc.domain.unit_availability import UnitAvailability
from ems_svc.domain.unit_locations import PastLocation, Taken, UnitLocation, is_stale
from ems_svc.domain.units import Unit, Wanted
from ems_svc.messages import words


def shown(
    value: Unit, where: UnitLocation | None, begun: UnitAvailability | None, at: datetime
) -> pb.Unit:
    """Show a unit with its place and whether it is on shift, ``at`` a moment."""
    given = unit(value)
    given.is_on_shift = value.is_on_shift(begun, at)
    if where is not None:
        given.current_location.CopyFrom(location(where, at))
    return given


def unit(value: Unit) -> pb.Unit:
    """Give what users may change, and what changes by their commands alone."""
    return pb.Unit(
        id=str(value.id),
        agency_id=str(value.agency_id),
        unit_number=value.unit_number,
        type=number(vocabulary_pb2.UnitType, value.type),
        crew_level=words.level(value.crew_level),
        capabilities=words.capabilities(value.capabilities),
        current_status=words.unit_status(value.current_status),
        current_assignment_id=str(value.current_assignment_id or ""),
        shift_start_time=timestamp(value.shift_start_at),
        shift_end_time=timestamp(value.shift_end_at),
        is_active=value.is_active,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
        effective_level=words.level(value.effective_level),
    )


def values(given: pb.Unit) -> dict[str, Any]:
    """Return what users may set, by the names of the unit's fields."""
    return {
        "unit_number": given.unit_number,
        "type": member(UnitType, vocabulary_pb2.UnitType, given.type),
        "crew_level": words.level_of(given.crew_level),
        "capabilities": names_of(Capability, vocabulary_pb2.Capability, given.capabilities),
        "shift_start_at": (
            instant(given.shift_start_time) if given.HasField("shift_start_time") else None
        ),
        "shift_end_at": (
            instant(given.shift_end_time) if given.HasField("shift_end_time") else None
        ),
    }


def fix(given: pb.ReportLocationRequest, agency_id: UUID, at: datetime) -> UnitLocation:
    return UnitLocation(
        agency_id=agency_id,
        unit_id=UUID(given.unit_id),
        latitude=given.location.latitude,
        longitude=given.location.longitude,
        fix_at=instant(given.fix_time),
        received_at=at,
        announced_at=None,
        announced_version=0,
    )


def location(value: UnitLocation | PastLocation, at: datetime) -> pb.UnitLocation:
    """Show where a unit was; ``at`` tells how old that is."""
    return pb.UnitLocation(
        location=place(value.latitude, value.longitude),
        fix_time=timestamp(value.fix_at),
        is_stale=is_stale(value.fix_at, at),
        receive_time=timestamp(value.received_at),
    )


def wanted(request: pb.ListNearbyUnitsRequest) -> Wanted:
    given, level = request.filter, request.filter.transport_level
    return Wanted(
        place=Place(request.location.latitude, request.location.longitude),
        radius_miles=request.radius_miles,
        level=words.level_of(level) if level else TransportLevel.OTHER,
        capabilities=names_of(Capability, vocabulary_pb2.Capability, given.required_capabilities),
        statuses=names_of(UnitStatus, vocabulary_pb2.UnitStatus, given.statuses),
    )


def report(taken: Counter[Taken]) -> pb.ReportLocationResponse:
    return pb.ReportLocationResponse(
        accepted_count=taken[Taken.ACCEPTED] + taken[Taken.KEPT],
        outdated_count=taken[Taken.OUTDATED],
        future_count=taken[Taken.FUTURE],
        kept_count=taken[Taken.KEPT],
    )


def nearby(given: pb.Unit, distance_miles: float, drive: timedelta) -> pb.NearbyUnit:
    minutes = int(drive.total_seconds() // 60)
    return pb.NearbyUnit(unit=given, distance_miles=distance_miles, estimated_minutes=minutes)
