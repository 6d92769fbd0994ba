"""Trips on the wire; what identifies the patient only for those who may see it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import instant, timestamp
from chassis.vocabulary import (
    AgeBand,
    Capability,
    OfferMode,
    Priority,
    TransportLevel,
    TripStatus,
    WeightBand,
)
from chassis.wire import member, names_of, number, place
from hospital_svc.domain.transport_requests import Filter, TransportRequest
from hospital_svc.domain.trip_history import TripHistory
from hospital_svc.domain.trip_tracking import Fix
from hospital_svc.domain.viewers import CARRYING, PHI

ENDS = ("origin_facility_id", "destination_facility_id")  # they bring their hospitals along

AsksForTimes = pb.CreateReturnTransportRequestRequest | pb.DuplicateTransportRequestRequest

# The contract's names of the moments, and the columns'.
_MOMENTS = {
    "create_time": "created_at",
    "update_time": "updated_at",
    "ready_time": "ready_at",
    "latest_pickup_time": "latest_pickup_at",
    "offer_expire_time": "offer_expires_at",
    "request_time": "requested_at",
    "award_time": "awarded_at",
    "accept_time": "accepted_at",
    "en_route_time": "en_route_at",
    "arrive_pickup_time": "arrived_pickup_at",
    "pickup_time": "picked_up_at",
    "arrive_destination_time": "arrived_destination_at",
    "complete_time": "completed_at",
    "receive_time": "received_at",
    "cancel_time": "cancelled_at",
    "expire_time": "expired_at",
    "eta_pickup_time": "eta_pickup_at",
    "eta_destination_time": "eta_destination_at",
    "eta_as_of_time": "eta_as_of_at",
    "cancel_request_time": "cancel_requested_at",
    "cancel_refuse_time": "cancel_refused_at",
    "patient_purge_time": "patient_purged_at",
}
_IDS = (
    "id",
    "hospital_id",
    "parent_transport_request_id",
    "origin_facility_id",
    "destination_facility_id",
    "award_id",
    "assigned_agency_id",
    "assigned_unit_id",
    "created_by_id",
    "origin_hospital_id",
    "destination_hospital_id",
)
_WORDS = {
    "leg": words.TripLeg,
    "transport_level": words.TransportLevel,
    "priority": words.Priority,
    "status": words.TripStatus,
    "age_band": words.AgeBand,
    "weight_band": words.WeightBand,
    "offer_mode": words.OfferMode,
    "cancellation_reason": words.CancellationReason,
}


def transport_request(
    of: TransportRequest, seen: frozenset[str] = frozenset()
) -> pb.TransportRequest:
    """Show a trip; ``seen`` names the fields about the patient that this viewer may see."""
    fields: dict[str, Any] = {name: _text(getattr(of, name)) for name in _IDS}
    fields |= {name: timestamp(getattr(of, column)) for name, column in _MOMENTS.items()}
    fields |= {name: number(enum, getattr(of, name)) for name, enum in _WORDS.items()}
    fields |= {name: getattr(of, name) or "" for name in PHI & seen}
    return pb.TransportRequest(
        **fields,
        trip_number=of.trip_number,
        etag=str(of.row_version),
        required_capabilities=capabilities(of.required_capabilities),
        assigned_unit_number=of.assigned_unit_number or "",
        cancellation_intent=number(words.CancellationIntent, of.cancel_intent),
        material_version=of.material_version,
    )


def capabilities(stored: Collection[str]) -> list[Any]:
    return [number(words.Capability, Capability(each)) for each in stored]


def _text(id: UUID | None) -> str:
    return "" if id is None else str(id)


def columns(given: pb.TransportRequest, named: Collection[str]) -> dict[str, Any]:
    """Return the columns behind the named fields that a user sets, but the trip's ends."""
    readers: dict[str, Any] = {
        "patient_id": lambda: ("patient_id", given.patient_id),
        "origin_detail": lambda: ("origin_detail", given.origin_detail or None),
        "destination_detail": lambda: ("destination_detail", given.destination_detail or None),
        "special_requirements": lambda: (
            "special_requirements",
            given.special_requirements or None,
        ),
        "transport_level": lambda: (
            "transport_level",
            member(TransportLevel, words.TransportLevel, given.transport_level),
        ),
        "priority": lambda: ("priority", _or(Priority.MEDIUM, words.Priority, given.priority)),
        "required_capabilities": lambda: ("required_capabilities", _needed(given)),
        "age_band": lambda: ("age_band", member(AgeBand, words.AgeBand, given.age_band)),
        "weight_band": lambda: (
            "weight_band",
            member(WeightBand, words.WeightBand, given.weight_band),
        ),
        "ready_time": lambda: ("ready_at", instant(given.ready_time)),
        "latest_pickup_time": lambda: ("latest_pickup_at", instant(given.latest_pickup_time)),
        "offer_mode": lambda: (
            "offer_mode",
            _or(OfferMode.CASCADE, words.OfferMode, given.offer_mode),
        ),
    }
    return dict(read() for name, read in readers.items() if name in named)


def times(given: AsksForTimes) -> dict[str, Any]:
    """Return the columns of the pickup period that a request names beside another trip."""
    return {
        "ready_at": instant(given.ready_time),
        "latest_pickup_at": instant(given.latest_pickup_time),
    }


def priority(given: int) -> Priority | None:
    return member(Priority, words.Priority, given) if given else None


def _or(default: Any, wrapper: Any, given: int) -> Any:  # noqa: ANN401 - an enum of the vocabulary
    return member(type(default), wrapper, given) if given else default


def _needed(given: pb.TransportRequest) -> list[str]:
    return names_of(Capability, words.Capability, given.required_capabilities)


def wanted(given: pb.TransportRequestFilter) -> Filter:
    """Read a filter; what it leaves out lets all pass."""
    span = given.request_time
    return Filter(
        statuses=[member(TripStatus, words.TripStatus, each) for each in given.statuses],
        since_at=instant(span.start_time) if span.HasField("start_time") else None,
        until_at=instant(span.end_time) if span.HasField("end_time") else None,
        origin_facility_id=UUID(given.origin_facility_id) if given.origin_facility_id else None,
        assigned_agency_id=UUID(given.assigned_agency_id) if given.assigned_agency_id else None,
    )


def inbound(given: pb.InboundTransportRequestFilter) -> tuple[list[str], UUID | None]:
    """Read a filter of inbound trips: statuses, and the facility where they end."""
    statuses = names_of(TripStatus, words.TripStatus, given.statuses)
    facility = given.destination_facility_id
    return statuses, UUID(facility) if facility else None


def newest(of: TransportRequest) -> list[object]:
    """Give a trip's place in a list that begins with the newest."""
    return [of.requested_at.isoformat(), of.id]


def patient(of: TransportRequest, seen: frozenset[str]) -> pb.PatientDetails:
    """Show the patient; ``seen`` names the fields that this viewer may see."""
    shown = CARRYING & seen
    return pb.PatientDetails(
        hospital_id=str(of.hospital_id),
        transport_request_id=str(of.id),
        patient_purge_time=timestamp(of.patient_purged_at),
        **{name: getattr(of, name) or "" for name in shown},
    )


def trip_tracking(of: TransportRequest, fix: Fix | None, at: datetime) -> pb.TripTracking:
    """Show where the unit is that has the trip now, if it was seen on it."""
    seen: dict[str, Any] = {}
    if fix is not None and fix.is_of(of):
        seen["location"] = place(fix.latitude, fix.longitude)
        seen |= {"fix_time": timestamp(fix.fix_at), "is_stale": fix.is_stale(at)}
    return pb.TripTracking(
        hospital_id=str(of.hospital_id),
        transport_request_id=str(of.id),
        agency_id=_text(of.assigned_agency_id),
        unit_id=_text(of.assigned_unit_id),
        unit_number=of.assigned_unit_number or "",
        eta_pickup_time=timestamp(of.eta_pickup_at),
        eta_destination_time=timestamp(of.eta_destination_at),
        eta_as_of_time=timestamp(of.eta_as_of_at),
        **seen,
    )


def trip_history(of: TripHistory, *, with_notes: bool) -> pb.TripHistory:
    return pb.TripHistory(
        id=str(of.id),
        hospital_id=str(of.hospital_id),
        transport_request_id=str(of.transport_request_id),
        sequence=of.sequence,
        status=number(words.TripStatus, of.status),
        occur_time=timestamp(of.occurred_at),
        record_time=timestamp(of.recorded_at),
        notes=of.notes or "" if with_notes else "",
        updated_by=_text(of.updated_by),
        actor_kind=number(words.ActorKind, of.actor_kind),
        is_conflict=of.is_conflict,
    )
