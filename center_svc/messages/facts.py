"""From the other silos' events to facts and audit entries."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address
from typing import Any, Protocol
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import vocabulary_pb2 as words
from medport.common.v1.event_log_pb2 import EventMetadata
from medport.ems.events.v1 import assignments_pb2, transport_bids_pb2
from medport.ems.events.v1 import audit_entries_pb2 as ems_audit
from medport.hospital.events.v1 import audit_entries_pb2 as hospital_audit
from medport.hospital.events.v1 import transport_requests_pb2 as trips

from center_svc.domain.audit_log import AuditEntry
from center_svc.domain.bid_facts import BidFact
from center_svc.domain.trip_facts import TripKey, TripNeed
from chassis.clock import instant
from chassis.vocabulary import (
    ActorKind,
    AuditOutcome,
    BidStatus,
    Priority,
    Silo,
    TransportLevel,
)
from chassis.wire import amount, member

_TIMES = {
    "accepted_at": "accept_time",
    "en_route_at": "en_route_time",
    "arrived_pickup_at": "arrive_pickup_time",
    "picked_up_at": "pickup_time",
    "arrived_destination_at": "arrive_destination_time",
    "completed_at": "complete_time",
}


class _TripRef(Protocol):
    """Each silo's events name a trip by a message of their own."""

    hospital_id: str
    transport_request_id: str


def trip_key(ref: _TripRef) -> TripKey:
    return TripKey(
        hospital_id=UUID(ref.hospital_id), transport_request_id=UUID(ref.transport_request_id)
    )


def trip_need(need: trips.TripNeed) -> TripNeed:
    return TripNeed(
        transport_level=member(TransportLevel, words.TransportLevel, need.transport_level),
        priority=member(Priority, words.Priority, need.priority),
        origin_facility_id=UUID(need.origin_facility_id),
        destination_facility_id=UUID(need.destination_facility_id),
    )


def trip_times(times: trips.TripTimes) -> dict[str, datetime | None]:
    """Return when a trip reached what, by column; None for what the event does not say."""
    return {column: _moment(getattr(times, field)) for column, field in _TIMES.items()}


def miles(advanced: assignments_pb2.TripAdvanced) -> dict[str, float | None]:
    return {
        "loaded_miles": advanced.loaded_miles if advanced.HasField("loaded_miles") else None,
        "deadhead_miles": advanced.deadhead_miles if advanced.HasField("deadhead_miles") else None,
    }


def bid_fact(event: transport_bids_pb2.BidSubmitted | transport_bids_pb2.BidRevised) -> BidFact:
    trip, bid = trip_key(event.trip), event.bid
    return BidFact(
        agency_id=UUID(event.agency_id),
        bid_id=UUID(bid.bid_id),
        hospital_id=trip.hospital_id,
        transport_request_id=trip.transport_request_id,
        bid_amount=amount(bid.bid_amount) if bid.HasField("bid_amount") else None,
        status=member(BidStatus, words.BidStatus, bid.status),
        submitted_at=instant(bid.submit_time),
        bid_version=bid.bid_version,
    )


def audit_entry(
    event: hospital_audit.AccessAudited | ems_audit.AccessAudited, source_silo: Silo
) -> AuditEntry:
    changes: dict[str, Any] = MessageToDict(event.changes)
    return AuditEntry(
        id=UUID(event.audit_entry_id),
        source_silo=source_silo,
        organization_id=_id(event.organization_id),
        user_id=_id(event.user_id),
        actor_kind=member(ActorKind, words.ActorKind, event.actor_kind),
        action=event.action,
        entity_type=event.entity_type,
        entity_id=_id(event.entity_id),
        changes=changes,
        outcome=member(AuditOutcome, words.AuditOutcome, event.outcome),
        reason=event.reason or None,
        occurred_at=instant(event.occur_time),
        ip_address=ip_address(event.ip_address) if event.ip_address else None,
        request_id=_id(event.request_id),
    )


def conflict_kind(event: trips.TripConflictDetected) -> str:
    return trips.TripConflictKind.Name(event.kind).removeprefix("TRIP_CONFLICT_KIND_")


def incident(event: trips.TripConflictDetected, metadata: EventMetadata) -> AuditEntry:
    """Return what is kept of a conflict: in the chain of the silo that detected it."""
    changes = {"conflict_kind": conflict_kind(event), "agency_id": event.agency_id}
    return AuditEntry(
        id=UUID(metadata.id),
        source_silo=Silo.HOSPITAL,
        organization_id=UUID(event.trip.hospital_id),
        user_id=None,
        actor_kind=ActorKind.SYSTEM,
        action="TripConflictDetected",
        entity_type="transport_request",
        entity_id=UUID(event.trip.transport_request_id),
        changes=changes,
        outcome=AuditOutcome.ALLOWED,
        reason=None,
        occurred_at=instant(metadata.time),
        ip_address=None,
        request_id=None,
    )


def _id(text: str) -> UUID | None:
    return UUID(text) if text else None


def _moment(given: Timestamp) -> datetime | None:
    return instant(given) if given.ByteSize() else None
