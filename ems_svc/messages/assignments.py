"""Jobs, to the contract."""

from __future__ import annotations

from datetime import datetime

from medport.ems.v1 import assignments_pb2 as pb

from chassis.clock import instant, timestamp
from ems_svc.domain.assignments import Assignment
from ems_svc.messages import words


def assignment(value: Assignment) -> pb.Assignment:
    return pb.Assignment(
        id=str(value.id),
        agency_id=str(value.agency_id),
        hospital_id=str(value.hospital_id),
        transport_request_id=str(value.transport_request_id),
        bid_id=str(value.bid_id),
        status=words.job_status(value.status),
        transport_level=words.level(value.transport_level),
        required_capabilities=words.capabilities(value.required_capabilities),
        unit_id=str(value.unit_id or ""),
        material_version=value.material_version,
        confirmed_material_version=value.confirmed_material_version,
        award_token=str(value.award_token),
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=words.etag(value.row_version),
        accept_time=timestamp(value.accepted_at),
        en_route_time=timestamp(value.en_route_at),
        arrive_pickup_time=timestamp(value.arrived_pickup_at),
        pickup_time=timestamp(value.picked_up_at),
        arrive_destination_time=timestamp(value.arrived_destination_at),
        complete_time=timestamp(value.completed_at),
        unit_assign_time=timestamp(value.unit_assigned_at),
        release_time=timestamp(value.released_at),
        release_reason=value.release_reason or "",
        eta_pickup_time=timestamp(value.eta_pickup_at),
        eta_destination_time=timestamp(value.eta_destination_at),
        deadhead_miles=value.deadhead_miles,
        loaded_miles=value.loaded_miles,
        planned_unit_id=str(value.planned_unit_id or ""),
        planned_start_time=timestamp(value.planned_start_at),
    )


def planned_start(given: pb.PlanUnitRequest) -> datetime | None:
    return instant(given.start_time) if given.HasField("start_time") else None


def expected(given: pb.ReportEtaRequest) -> tuple[datetime | None, datetime | None]:
    """Return the arrivals at origin and destination that are reported."""
    return (
        instant(given.eta_pickup_time) if given.HasField("eta_pickup_time") else None,
        instant(given.eta_destination_time) if given.HasField("eta_destination_time") else None,
    )
