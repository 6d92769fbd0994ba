"""Units and where they are, to and from the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import units_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.vocabulary import Capability, UnitType
from chassis.wire import member, number, place
from ems_svc.domain.unit_availability import UnitAvailability
from ems_svc.domain.unit_locations import UnitLocation
from ems_svc.domain.units import Unit
from ems_svc.messages import words


def shown(
    value: Unit, location: UnitLocation | None, begun: UnitAvailability | None, at: datetime
) -> pb.Unit:
    """Show a unit with its place and whether it is on shift, ``at`` a moment."""
    given = unit(value)
    given.is_on_shift = value.is_on_shift(begun, at)
    if location is not None:
        given.current_location.CopyFrom(_location(location, at))
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
        "capabilities": words.names_of(Capability, vocabulary_pb2.Capability, given.capabilities),
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


def _location(location: UnitLocation, at: datetime) -> pb.UnitLocation:
    return pb.UnitLocation(
        location=place(location.latitude, location.longitude),
        fix_time=timestamp(location.fix_at),
        is_stale=location.is_stale(at),
    )
