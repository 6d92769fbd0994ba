"""The tables of a trip: the request, its awards, bids and history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Index, MetaData, Table, UniqueConstraint, text

from chassis.schema import NOW, check, column, ladder, names, one_of, record, set_of, text_column
from chassis.vocabulary import (
    ActorKind,
    AgeBand,
    CancellationIntent,
    CancellationReason,
    Capability,
    OfferMode,
    Priority,
    TransportLevel,
    TripLeg,
    TripStatus,
    WeightBand,
)
from hospital_svc.domain.awards import AwardState

TIMES = (
    "accepted_at",
    "en_route_at",
    "arrived_pickup_at",
    "picked_up_at",
    "arrived_destination_at",
    "completed_at",
)


def transport_request(metadata: MetaData) -> Table:
    return Table(
        "transport_request",
        metadata,
        column("hospital_id", primary_key=True),
        column("id", primary_key=True),
        text_column("trip_number", 20),
        *_patient(),
        one_of("leg", names(TripLeg), default=TripLeg.OUTBOUND),
        column("parent_transport_request_id", optional=True),
        column("origin_hospital_id"),
        column("origin_facility_id"),
        column("destination_hospital_id"),
        column("destination_facility_id"),
        one_of("transport_level", names(TransportLevel)),
        one_of("priority", names(Priority), default=Priority.MEDIUM),
        one_of("status", names(TripStatus), default=TripStatus.PENDING),
        set_of("required_capabilities", names(Capability)),
        one_of("age_band", names(AgeBand)),
        one_of("weight_band", names(WeightBand)),
        column("ready_at"),
        column("latest_pickup_at"),
        one_of("offer_mode", names(OfferMode), default=OfferMode.CASCADE),
        column("offer_expires_at"),
        column("requested_at", default=NOW),
        column("awarded_at", optional=True),
        *(column(each, optional=True) for each in TIMES),
        column("received_at", optional=True),
        column("cancelled_at", optional=True),
        column("expired_at", optional=True),
        *_assigned(),
        *_cancellation(),
        column("created_by_id"),
        column("material_version", default="1"),
        *record(),
        *_references(),
        *_indexes(),
        *_rules(),
    )


def _patient() -> list[Column[Any]]:
    """List what identifies the patient: it is in no event, log or error."""
    return [
        text_column("patient_id", 64, optional=True),
        column("patient_purged_at", optional=True),
        text_column("origin_detail", 200, optional=True),
        text_column("destination_detail", 200, optional=True),
        text_column("special_requirements", 2000, optional=True),
    ]


def _assigned() -> list[Column[Any]]:
    return [
        column("award_id", optional=True),
        column("assigned_agency_id", optional=True),
        column("assigned_unit_id", optional=True),
        text_column("assigned_unit_number", 20, optional=True),
        column("assigned_unit_as_of_at", optional=True),
        column("eta_pickup_at", optional=True),
        column("eta_destination_at", optional=True),
        column("eta_as_of_at", optional=True),
    ]


def _cancellation() -> list[Column[Any]]:
    return [
        one_of("cancellation_reason", names(CancellationReason), optional=True),
        text_column("cancellation_note", 500, optional=True),
        column("cancel_requested_at", optional=True),
        column("cancel_requested_by", optional=True),
        column("cancel_token", optional=True),
        one_of("cancel_intent", names(CancellationIntent), optional=True),
        column("cancel_refused_at", optional=True),
    ]


def _references() -> list[ForeignKeyConstraint]:
    return [
        ForeignKeyConstraint(["origin_facility_id"], ["facility_directory.facility_id"]),
        ForeignKeyConstraint(["destination_facility_id"], ["facility_directory.facility_id"]),
        ForeignKeyConstraint(
            ["hospital_id", "parent_transport_request_id"],
            ["transport_request.hospital_id", "transport_request.id"],
        ),
        ForeignKeyConstraint(
            ["hospital_id", "created_by_id"], ["hospital_user.hospital_id", "hospital_user.id"]
        ),
    ]


def _indexes() -> list[UniqueConstraint | Index]:
    return [
        UniqueConstraint("hospital_id", "trip_number", name="transport_request_trip_number"),
        Index(
            "transport_request_live_patient",
            "hospital_id",
            "patient_id",
            "leg",
            unique=True,
            postgresql_where=text(
                "status NOT IN ('COMPLETED', 'CANCELLED', 'EXPIRED')"
                " AND cancel_intent IS DISTINCT FROM 'CANCEL'"
            ),
        ),
        Index(
            "transport_request_newest",
            "hospital_id",
            "status",
            text("requested_at DESC"),
            text("id DESC"),
        ),
        Index("transport_request_inbound", "destination_hospital_id", "status"),
        Index(
            "transport_request_arrivals",
            "destination_hospital_id",
            text("requested_at DESC"),
            text("id DESC"),
        ),
        Index(
            "transport_request_remembered",
            "hospital_id",
            text("coalesce(completed_at, cancelled_at, expired_at)"),
            postgresql_where=text(
                "patient_purged_at IS NULL AND status IN ('COMPLETED', 'CANCELLED', 'EXPIRED')"
            ),
        ),
        Index(
            "transport_request_offers",
            "offer_expires_at",
            postgresql_where=text("status = 'PENDING'"),
        ),
    ]


def _rules() -> list[Any]:
    """Refuse the impossible states of a trip, whatever defect of ours would write them."""
    moving = "'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED'"
    rules = {
        "goes_somewhere": "origin_facility_id <> destination_facility_id",
        "periods_have_a_length": (
            "latest_pickup_at >= ready_at AND offer_expires_at > requested_at"
        ),
        "patient_is_known_or_purged": "patient_id IS NOT NULL OR patient_purged_at IS NOT NULL",
        "return_has_a_parent": "(leg = 'RETURN') = (parent_transport_request_id IS NOT NULL)",
        "hospital_is_at_its_end": (
            "hospital_id = CASE leg WHEN 'OUTBOUND' THEN origin_hospital_id"
            " ELSE destination_hospital_id END"
        ),
        "award_fits_status": (
            "(award_id IS NOT NULL) = (status NOT IN ('PENDING', 'CANCELLED', 'EXPIRED'))"
        ),
        "award_names_agency": (
            "(award_id IS NULL) = (assigned_agency_id IS NULL)"
            " AND (assigned_unit_id IS NULL OR award_id IS NOT NULL)"
        ),
        "moving_needs_a_unit": f"status NOT IN ({moving}) OR assigned_unit_id IS NOT NULL",
        "aboard_fits_status": (
            "(picked_up_at IS NOT NULL) = (status IN ('IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED'))"
        ),
        "completion_fits_status": "(status = 'COMPLETED') = (completed_at IS NOT NULL)",
        "expiry_fits_status": "(status = 'EXPIRED') = (expired_at IS NOT NULL)",
        "cancellation_fits_status": (
            "(status = 'CANCELLED') = (cancelled_at IS NOT NULL)"
            " AND (cancelled_at IS NULL OR cancellation_reason IS NOT NULL)"
        ),
        "cancel_request_is_whole": (
            "num_nulls(cancel_requested_at, cancel_requested_by, cancel_token, cancel_intent)"
            " IN (0, 4)"
        ),
    }
    return [*(check(sql, name) for name, sql in rules.items()), ladder(*TIMES)]


def _of_trip() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["hospital_id", "transport_request_id"],
        ["transport_request.hospital_id", "transport_request.id"],
    )


def award(metadata: MetaData) -> Table:
    return Table(
        "award",
        metadata,
        column("hospital_id", primary_key=True),
        column("id", primary_key=True),
        column("transport_request_id"),
        column("bid_id"),
        column("agency_id"),
        column("bid_amount", optional=True),
        column("currency_code", default="'USD'"),
        one_of("state", names(AwardState), default=AwardState.TENTATIVE),
        column("material_version"),
        column("awarded_by_id", optional=True),
        column("awarded_at", default=NOW),
        column("confirm_deadline_at"),
        column("decided_at", optional=True),
        text_column("reason", 64, optional=True),
        *record(),
        _of_trip(),
        Index(
            "award_one_winner",
            "hospital_id",
            "transport_request_id",
            unique=True,
            postgresql_where=text("state IN ('TENTATIVE', 'CONFIRMED')"),
        ),
        Index(
            "award_unanswered",
            "confirm_deadline_at",
            postgresql_where=text("state = 'TENTATIVE'"),
        ),
        check("(state = 'TENTATIVE') = (decided_at IS NULL)", "decision_fits_state"),
    )


def trip_history(metadata: MetaData) -> Table:
    return Table(
        "trip_history",
        metadata,
        column("hospital_id", primary_key=True),
        column("id", primary_key=True),
        column("transport_request_id"),
        column("sequence"),
        one_of("status", names(TripStatus)),
        column("occurred_at"),
        column("recorded_at", default=NOW),
        column("notes", optional=True),
        column("updated_by", optional=True),
        one_of("actor_kind", names(ActorKind)),
        column("source_event_id", optional=True),
        column("is_conflict", default="false"),
        _of_trip(),
        UniqueConstraint(
            "hospital_id", "transport_request_id", "sequence", name="trip_history_sequence"
        ),
    )
