"""Trips on offer, what each agency sees of them, bids and jobs."""

from __future__ import annotations

from sqlalchemy import Column, Index, SmallInteger, Table, text

from chassis.schema import (
    NOW,
    check,
    column,
    jsonb,
    ladder,
    names,
    one_of,
    record,
    set_of,
    text_column,
)
from chassis.vocabulary import BidStatus, Capability, JobStatus, TransportLevel
from ems_svc.domain.available_trips import AvailableTripState
from ems_svc.domain.offered_trips import OfferState
from ems_svc.tables.shared import metadata, need, to

transport_bid = Table(
    "transport_bid",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    column("hospital_id"),
    column("transport_request_id"),
    column("bid_amount", optional=True),
    column("currency_code", default="'USD'"),
    column("estimated_arrival_at", optional=True),
    column("estimated_pickup_at", optional=True),
    text_column("special_notes", 500, optional=True),
    one_of("unit_level", names(TransportLevel)),
    one_of("status", names(BidStatus), default=BidStatus.PENDING),
    column("expires_at"),
    column("material_version"),
    column("submitted_by_id"),
    column("submitted_at", default=NOW),
    column("decided_at", optional=True),
    *record(),
    to("ems_agency_user", "submitted_by_id"),
    Index(
        "transport_bid_live",
        "agency_id",
        "transport_request_id",
        unique=True,
        postgresql_where=text("status IN ('PENDING', 'ACCEPTED')"),
    ),
    Index("transport_bid_expiry", "expires_at", postgresql_where=text("status = 'PENDING'")),
    check("expires_at > submitted_at", "expires_after_it_was_made"),
    check("estimated_pickup_at >= estimated_arrival_at", "pickup_follows_arrival"),
)


# planned_unit_id is a plan, unit_id a booking.
assignment = Table(
    "assignment",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    column("hospital_id"),
    column("transport_request_id"),
    column("bid_id"),
    column("award_token"),
    one_of("status", names(JobStatus), default=JobStatus.ACCEPTED),
    one_of("transport_level", names(TransportLevel)),
    set_of("required_capabilities", names(Capability)),
    column("unit_id", optional=True),
    column("planned_unit_id", optional=True),
    column("planned_start_at", optional=True),
    column("material_version"),
    column("confirmed_material_version"),
    column("accepted_at"),
    column("en_route_at", optional=True),
    column("arrived_pickup_at", optional=True),
    column("picked_up_at", optional=True),
    column("arrived_destination_at", optional=True),
    column("completed_at", optional=True),
    column("unit_assigned_at", optional=True),
    column("released_at", optional=True),
    text_column("release_reason", 64, optional=True),
    column("eta_pickup_at", optional=True),
    column("eta_destination_at", optional=True),
    column("deadhead_miles", optional=True),
    column("loaded_miles", optional=True),
    *record(),
    to("unit", "unit_id"),
    to("unit", "planned_unit_id"),
    to("transport_bid", "bid_id"),
    Index("assignment_award", "agency_id", "award_token", unique=True),
    Index(
        "assignment_live_trip",
        "agency_id",
        "transport_request_id",
        unique=True,
        postgresql_where=text("released_at IS NULL"),
    ),
    Index(
        "assignment_live_unit",
        "agency_id",
        "unit_id",
        unique=True,
        postgresql_where=text("released_at IS NULL"),
    ),
    check(
        "(released_at IS NULL) = (status IN ('ACCEPTED', 'EN_ROUTE', 'AT_PICKUP', 'IN_TRANSIT',"
        " 'AT_DESTINATION'))",
        "released_means_ended",
    ),
    check(
        "unit_id IS NOT NULL OR status IN ('ACCEPTED', 'DROPPED', 'CANCELLED', 'REVOKED')",
        "moving_needs_a_unit",
    ),
    check(
        "(picked_up_at IS NOT NULL) = (status IN ('IN_TRANSIT', 'AT_DESTINATION', 'COMPLETED'))",
        "aboard_means_picked_up",
    ),
    ladder(
        "accepted_at",
        "en_route_at",
        "arrived_pickup_at",
        "picked_up_at",
        "arrived_destination_at",
        "completed_at",
    ),
)


# The lock row of a trip: whoever decides about it, of whichever agency, holds it first.
offered_trip = Table(
    "offered_trip",
    metadata,
    column("hospital_id", primary_key=True),
    column("transport_request_id", primary_key=True),
    text_column("trip_number", 20),
    *need(),
    jsonb("offers"),  # wave and opening of each agency that the hospital named, by its id
    column("broadcast_at", optional=True),
    column("offer_expires_at"),
    one_of("state", names(OfferState), default=OfferState.OPEN),
    column("award_token", optional=True),
    column("awarded_agency_id", optional=True),
    column("awarded_bid_id", optional=True),
    column("confirm_deadline_at", optional=True),
    column("material_version"),
    column("trip_version"),
    Index(
        "offered_trip_unanswered",
        "confirm_deadline_at",
        postgresql_where=text("confirm_deadline_at IS NOT NULL"),
    ),
    check(
        "num_nulls(award_token, awarded_agency_id, awarded_bid_id) IN (0, 3)"
        " AND (state <> 'AWARDED' OR award_token IS NOT NULL)",
        "award_is_whole",
    ),
)


# What one agency may see of a trip, and from when.
available_trip = Table(
    "available_trip",
    metadata,
    column("agency_id", primary_key=True),
    column("transport_request_id", primary_key=True),
    column("hospital_id"),
    text_column("trip_number", 20),
    Column("wave", SmallInteger, nullable=False),
    column("visible_at"),
    column("offer_expires_at"),
    one_of("state", names(AvailableTripState), default=AvailableTripState.OPEN),
    *need(),
    column("loaded_miles"),
    column("material_version"),
    Index("available_trip_visible", "agency_id", "state", "visible_at"),
    check("wave >= 0", "wave_is_valid"),
)
