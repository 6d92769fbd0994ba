"""What the hospital silo announces about its trips."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp
from chassis.outbox import Announcement
from chassis.wire import number
from hospital_svc.domain import events
from hospital_svc.domain.offers import Plan
from hospital_svc.domain.transport_requests import TransportRequest
from hospital_svc.messages.transport_requests import capabilities


def announcement(event: events.Event) -> Announcement:
    """Announce what happened to a trip, in the version that it left behind."""
    return _about(event.trip, _payload(event))


def shown(trip: TransportRequest, plan: Plan | None) -> Announcement:
    """Show a trip as it stands; ``plan`` is an open one's."""
    payload = pb.TransportRequestSnapshot(
        trip=_ref(trip),
        trip_number=trip.trip_number,
        need=_need(trip),
        leg=number(words.TripLeg, trip.leg),
        offer_mode=number(words.OfferMode, trip.offer_mode),
        request_time=timestamp(trip.requested_at),
        status=number(words.TripStatus, trip.status),
        award_token=str(trip.award_id or ""),
        agency_id=str(trip.assigned_agency_id or ""),
        times=_times(trip),
        **(_offered(plan) if plan else {"offer_expire_time": timestamp(trip.offer_expires_at)}),
    )
    if trip.cancellation_reason:
        why = number(words.CancellationReason, trip.cancellation_reason)
        payload.cancellation_reason = why
    return _about(trip, payload)


def _about(trip: TransportRequest, payload: Message) -> Announcement:
    return Announcement(
        event=payload,
        subject=f"transport_requests/{trip.id}",
        subject_version=trip.row_version,
        audience=["silo:ems", "silo:center", "role:center_admin", f"hospital:{trip.hospital_id}"],
    )


def _payload(event: events.Event) -> Message:  # noqa: C901, PLR0911 - one case per event
    trip, ref = event.trip, _ref(event.trip)
    match event:  # mypy: an event without a case here is an error
        case events.TransportRequestCreated():
            return _created(trip, event.plan)
        case events.TransportRequestUpdated():
            expires = timestamp(trip.offer_expires_at)
            return pb.TransportRequestUpdated(trip=ref, need=_need(trip), offer_expire_time=expires)
        case events.TransportRequestAwarded():
            return _awarded(event)
        case events.AwardRevoked():
            return _revoked(event)
        case events.TransportRequestReopened():
            reason = number(pb.ReopenReason, event.reason)
            return pb.TransportRequestReopened(trip=ref, reason=reason, **_offered(event.plan))
        case events.TransportRequestProgressed():
            return _progressed(event)
        case events.CancellationRequested():
            return _asked(trip)
        case events.TransportRequestCancelled():
            why = number(words.CancellationReason, trip.cancellation_reason)
            cancelled = timestamp(trip.cancelled_at)
            return pb.TransportRequestCancelled(trip=ref, reason=why, cancel_time=cancelled)
        case events.TransportRequestExpired():
            return pb.TransportRequestExpired(trip=ref, expire_time=timestamp(trip.expired_at))
        case events.TransportRequestCompleted():
            return _completed(trip)
        case events.PatientReceiptConfirmed():
            return pb.PatientReceiptConfirmed(trip=ref, receipt_time=timestamp(trip.received_at))
        case events.TripConflictDetected():
            return _conflict(event)


def _ref(trip: TransportRequest) -> pb.TripRef:
    return pb.TripRef(
        hospital_id=str(trip.hospital_id),
        transport_request_id=str(trip.id),
        trip_version=trip.row_version,
        material_version=trip.material_version,
    )


def _need(trip: TransportRequest) -> pb.TripNeed:
    return pb.TripNeed(
        transport_level=number(words.TransportLevel, trip.transport_level),
        priority=number(words.Priority, trip.priority),
        required_capabilities=capabilities(trip.required_capabilities),
        age_band=number(words.AgeBand, trip.age_band),
        weight_band=number(words.WeightBand, trip.weight_band),
        origin_facility_id=str(trip.origin_facility_id),
        destination_facility_id=str(trip.destination_facility_id),
        ready_time=timestamp(trip.ready_at),
        latest_pickup_time=timestamp(trip.latest_pickup_at),
    )


def _offered(plan: Plan) -> dict[str, Any]:
    offers = [
        pb.TripOffer(
            agency_id=str(each.agency_id),
            wave=each.wave,
            visible_time=timestamp(each.visible_at),
        )
        for each in plan.offers
    ]
    return {
        "offers": offers,
        "broadcast_time": timestamp(plan.broadcast_at),
        "offer_expire_time": timestamp(plan.offer_expires_at),
    }


def _created(trip: TransportRequest, plan: Plan) -> Message:
    return pb.TransportRequestCreated(
        trip=_ref(trip),
        trip_number=trip.trip_number,
        need=_need(trip),
        leg=number(words.TripLeg, trip.leg),
        offer_mode=number(words.OfferMode, trip.offer_mode),
        request_time=timestamp(trip.requested_at),
        **_offered(plan),
    )


def _awarded(event: events.TransportRequestAwarded) -> Message:
    award = event.award
    return pb.TransportRequestAwarded(
        trip=_ref(event.trip),
        award_token=str(award.id),
        bid_id=str(award.bid_id),
        agency_id=str(award.agency_id),
        confirm_deadline_time=timestamp(award.confirm_deadline_at),
    )


def _revoked(event: events.AwardRevoked) -> Message:
    return pb.AwardRevoked(
        trip=_ref(event.trip),
        award_token=str(event.award.id),
        reason=number(pb.AwardRevokeReason, event.reason),
        agency_id=str(event.award.agency_id),
    )


def _progressed(event: events.TransportRequestProgressed) -> Message:
    trip = event.trip
    return pb.TransportRequestProgressed(
        trip=_ref(trip),
        status=number(words.TripStatus, trip.status),
        occur_time=timestamp(event.occurred_at),
        agency_id=str(trip.assigned_agency_id or ""),
        award_token=str(trip.award_id or ""),
    )


def _asked(trip: TransportRequest) -> Message:
    return pb.CancellationRequested(
        trip=_ref(trip),
        award_token=str(trip.award_id),
        cancel_token=str(trip.cancel_token),
        intent=number(words.CancellationIntent, trip.cancel_intent),
        reason=number(words.CancellationReason, trip.cancellation_reason),
        agency_id=str(trip.assigned_agency_id),
    )


def _completed(trip: TransportRequest) -> Message:
    return pb.TransportRequestCompleted(
        trip=_ref(trip),
        agency_id=str(trip.assigned_agency_id),
        award_token=str(trip.award_id),
        times=_times(trip),
    )


def _times(trip: TransportRequest) -> pb.TripTimes:
    return pb.TripTimes(
        accept_time=timestamp(trip.accepted_at),
        en_route_time=timestamp(trip.en_route_at),
        arrive_pickup_time=timestamp(trip.arrived_pickup_at),
        pickup_time=timestamp(trip.picked_up_at),
        arrive_destination_time=timestamp(trip.arrived_destination_at),
        complete_time=timestamp(trip.completed_at),
    )


def _conflict(event: events.TripConflictDetected) -> Message:
    return pb.TripConflictDetected(
        trip=_ref(event.trip),
        agency_id=str(event.agency_id),
        award_token=str(event.award_token),
        kind=number(pb.TripConflictKind, event.kind),
    )
