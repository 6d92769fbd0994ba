"""What the center knows of trips, bids and units, and the figures made of it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Numeric, Table, Text, UniqueConstraint, text

from center_svc.domain.metrics import StaleFacts
from center_svc.domain.sla_timers import SlaKind
from center_svc.domain.trip_facts import REACHED
from center_svc.tables.shared import metadata
from chassis.schema import NOW, check, column, jsonb, names, one_of, text_column
from chassis.vocabulary import (
    BidStatus,
    CancellationReason,
    Priority,
    Silo,
    TransportLevel,
    TripStatus,
    UnitStatus,
)

# What happened to a trip, folded from two streams that nothing orders: EMS may be heard first.
# Such a row has hospital_version 0 and counts nowhere until the hospital's event fills it in.
trip_fact = Table(
    "trip_fact",
    metadata,
    column("hospital_id", primary_key=True),
    column("transport_request_id", primary_key=True),
    column("agency_id", optional=True),
    one_of("transport_level", names(TransportLevel), optional=True),
    one_of("priority", names(Priority), optional=True),
    one_of("status", names(TripStatus), optional=True),
    column("origin_facility_id", optional=True),
    column("destination_facility_id", optional=True),
    column("requested_at", optional=True),
    column("first_bid_at", optional=True),
    column("awarded_at", optional=True),
    *(column(name, optional=True) for name in REACHED.values()),
    column("cancelled_at", optional=True),
    column("expired_at", optional=True),
    one_of("cancellation_reason", names(CancellationReason), optional=True),
    column("bid_amount", optional=True),
    column("loaded_miles", optional=True),
    column("deadhead_miles", optional=True),
    column("drop_count", default="0"),  # of the release before; drop_fact says it now
    column("hospital_version", default="0"),
    column("ems_version", default="0"),
    check(
        "hospital_version = 0 OR num_nulls(transport_level, priority, status,"
        " origin_facility_id, destination_facility_id, requested_at) = 0",
        "known_trip_is_complete",
    ),
    Index("trip_fact_time", "requested_at"),
    Index("trip_fact_agency", "agency_id", "requested_at"),
)

bid_fact = Table(
    "bid_fact",
    metadata,
    column("agency_id", primary_key=True),
    column("bid_id", primary_key=True),
    column("hospital_id"),
    column("transport_request_id"),
    column("bid_amount", optional=True),
    one_of("status", names(BidStatus)),
    column("submitted_at"),
    column("bid_version"),
    Index("bid_fact_trip", "hospital_id", "transport_request_id"),
)

# A job given back, whoever has the trip now; an award is answered by one job.
drop_fact = Table(
    "drop_fact",
    metadata,
    column("hospital_id", primary_key=True),
    column("transport_request_id", primary_key=True),
    column("agency_id", primary_key=True),
    column("award_token", primary_key=True),
)

unit_interval_fact = Table(
    "unit_interval_fact",
    metadata,
    column("agency_id", primary_key=True),
    column("unit_id", primary_key=True),
    column("started_at", primary_key=True),
    column("ended_at", optional=True),
    one_of("status", names(UnitStatus)),
)

_RUNNING = "cleared_at IS NULL AND breached_at IS NULL"
_LATE = "cleared_at > due_at AND breached_at IS NULL"
sla_timer = Table(
    "sla_timer",
    metadata,
    column("hospital_id", primary_key=True),
    column("transport_request_id", primary_key=True),
    one_of("kind", names(SlaKind), primary_key=True),
    column("due_at"),
    column("cleared_at", optional=True),
    column("breached_at", optional=True),
    column("started_at", optional=True),  # since when it is expected, this time
    Index("sla_timer_due", "due_at", postgresql_where=text(_RUNNING)),
    Index("sla_timer_late", "due_at", postgresql_where=text(_LATE)),
    Index("sla_timer_trip", "transport_request_id", "kind"),
)

# How far each of the other silos has been heard: all that it had announced by then is here.
heard_silo = Table(
    "heard_silo",
    metadata,
    one_of("silo", names(Silo), primary_key=True),
    column("until_at"),
)

system_analytics = Table(
    "system_analytics",
    metadata,
    column("id", primary_key=True),
    column("metric_name"),
    Column("metric_value", Numeric(20, 6), nullable=False),
    text_column("metric_unit", 20),
    column("bucket_started_at"),
    column("bucket_seconds"),
    text_column("category", 50),
    Column("dimensions_key", Text, nullable=False),
    jsonb("metadata"),
    column("computed_at", default=NOW),
    column("organization_id", optional=True),
    UniqueConstraint("metric_name", "bucket_seconds", "bucket_started_at", "dimensions_key"),
    check("metric_value <> 'NaN'", "metric_value_is_a_number"),
    check("char_length(dimensions_key) <= 200", "dimensions_key_is_short"),
    Index(
        "system_analytics_series",
        "organization_id",
        "metric_name",
        "bucket_seconds",
        "bucket_started_at",
        "dimensions_key",
    ),
)

# Hours whose figures are to be made anew, and which transaction last changed facts of theirs.
stale_bucket = Table(
    "stale_bucket",
    metadata,
    one_of("facts", names(StaleFacts), primary_key=True),
    column("bucket_started_at", primary_key=True),
    column("transaction_version"),
)

# One row: who refreshes figures holds it. Units' time is in the figures up to that moment.
analytics_refresh = Table(
    "analytics_refresh",
    metadata,
    column("is_only", primary_key=True, default="true"),
    column("refreshed_at", optional=True),
    check("is_only", "row_is_the_only_one"),
)
