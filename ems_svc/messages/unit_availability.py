"""Intervals of units' availability, to and from the contract."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import unit_availability_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.vocabulary import UnitStatus
from chassis.wire import member
from ems_svc.domain.unit_availability import UnitAvailability
from ems_svc.messages import words


def unit_availability(value: UnitAvailability) -> pb.UnitAvailability:
    return pb.UnitAvailability(
        id=str(value.id),
        agency_id=str(value.agency_id),
        unit_id=str(value.unit_id),
        status=words.unit_status(value.status),
        start_time=timestamp(value.start_at),
        end_time=timestamp(value.end_at),
        notes=value.notes or "",
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
    )


def values(given: pb.UnitAvailability) -> dict[str, Any]:
    """Return what users may set, by the names of the interval's fields."""
    return {
        "unit_id": UUID(given.unit_id),
        "status": member(UnitStatus, vocabulary_pb2.UnitStatus, given.status),
        "start_at": instant(given.start_time),
        "end_at": instant(given.end_time) if given.HasField("end_time") else None,
        "notes": given.notes or None,
    }
