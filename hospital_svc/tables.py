"""Every table of the hospital database but the trips'. The hospital's id leads each primary key."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, MetaData, Table, UniqueConstraint, func, text

from chassis.schema import (
    check,
    column,
    jsonb,
    names,
    one_of,
    record,
    row_security,
    set_of,
    text_column,
)
from chassis.shared_tables import UNTENANTED, copies, shared_tables
from chassis.vocabulary import (
    BidStatus,
    Capability,
    CareCapability,
    FacilityType,
    RegistryStatus,
    TransportLevel,
)
from hospital_svc import trip_tables
from hospital_svc.domain.users import UserRole

TENANT = "hospital_id"
# `hospital` is the silo's own directory of its tenants: sweeps and projectors list it.
EXEMPT = UNTENANTED | {"hospital"}

metadata = MetaData()

hospital = Table(
    "hospital",
    metadata,
    column("hospital_id", primary_key=True),
    column("service_id"),
    column("name"),
    one_of("status", names(RegistryStatus), default=RegistryStatus.PENDING),
    column("registry_version", default="0"),
    text_column("time_zone", 64, default="'America/New_York'"),
    *record(),
)

hospital_user = Table(
    "hospital_user",
    metadata,
    column("hospital_id", primary_key=True),
    column("id", primary_key=True),
    column("email"),
    column("password_hash", optional=True),
    column("name"),
    one_of("role", names(UserRole), default=UserRole.STAFF),
    column("is_active", default="true"),
    column("last_login_at", optional=True),
    *record(),
    ForeignKeyConstraint(["hospital_id"], ["hospital.hospital_id"]),
    Index("hospital_user_email", "hospital_id", func.lower(text("email")), unique=True),
)

hospital_facility = Table(
    "hospital_facility",
    metadata,
    column("hospital_id", primary_key=True),
    column("id", primary_key=True),
    column("name"),
    one_of("type", names(FacilityType)),
    column("address"),
    column("city"),
    column("state"),
    column("zip_code"),
    column("latitude"),
    column("longitude"),
    column("phone", optional=True),
    column("email", optional=True),
    jsonb("operating_hours", default="'[]'"),
    set_of("capabilities", names(CareCapability)),
    column("is_active", default="true"),
    *record(),
    ForeignKeyConstraint(["hospital_id"], ["hospital.hospital_id"]),
    Index(
        "hospital_facility_place",
        "hospital_id",
        func.lower(text("name")),
        func.lower(text("address")),
        unique=True,
    ),
)

hospital_agency_preference = Table(
    "hospital_agency_preference",
    metadata,
    column("hospital_id", primary_key=True),
    column("id", primary_key=True),
    column("agency_id"),
    column("is_active", default="true"),
    column("preference_order", default="0"),
    column("notes", optional=True),
    *record(),
    UniqueConstraint("hospital_id", "agency_id", name="hospital_agency_preference_agency"),
)

# A copy of what the EMS silo says about its agencies.
agency_directory = Table(
    "agency_directory",
    metadata,
    column("agency_id", primary_key=True),
    column("name"),
    column("phone", optional=True),
    column("city", optional=True),
    column("state", optional=True),
    column("latitude", optional=True),
    column("longitude", optional=True),
    set_of("levels", names(TransportLevel)),
    set_of("capabilities", names(Capability)),
    one_of("registry_status", names(RegistryStatus)),
    column("registry_version", default="0"),
    column("agency_version", default="0"),
)

shared_tables(metadata, tenant=TENANT, users="hospital_user")
copies(metadata, tenant=TENANT)

facility_directory = metadata.tables["facility_directory"]
audit_entry = metadata.tables["audit_entry"]
login_email = metadata.tables["login_email"]
one_time_token = metadata.tables["one_time_token"]
feature_toggle_copy = metadata.tables["feature_toggle_copy"]
system_configuration_copy = metadata.tables["system_configuration_copy"]
notification_template_copy = metadata.tables["notification_template_copy"]

transport_request = trip_tables.transport_request(metadata)
award = trip_tables.award(metadata)
trip_history = trip_tables.trip_history(metadata)

# A copy of EMS's bids, written by its projector and by nobody else.
received_bid = Table(
    "received_bid",
    metadata,
    column("hospital_id", primary_key=True),
    column("id", primary_key=True),
    column("transport_request_id"),
    column("agency_id"),
    column("bid_amount", optional=True),
    column("currency_code", default="'USD'"),
    column("estimated_arrival_at", optional=True),
    column("estimated_pickup_at", optional=True),
    text_column("special_notes", 500, optional=True),
    one_of("unit_level", names(TransportLevel)),
    one_of("status", names(BidStatus)),
    column("expires_at"),
    column("material_version"),
    column("submitted_at"),
    column("bid_version"),
    Index(
        "received_bid_one_winner",
        "hospital_id",
        "transport_request_id",
        unique=True,
        postgresql_where=text("status = 'ACCEPTED'"),
    ),
    Index("received_bid_trip", "hospital_id", "transport_request_id", "status"),
)

trip_tracking = Table(
    "trip_tracking",
    metadata,
    column("hospital_id", primary_key=True),
    column("transport_request_id", primary_key=True),
    column("agency_id"),
    column("unit_id"),
    column("latitude"),
    column("longitude"),
    column("fix_at"),
    column("received_at", default="now()"),
)

break_glass_grant = Table(
    "break_glass_grant",
    metadata,
    column("hospital_id", primary_key=True),
    column("id", primary_key=True),
    column("transport_request_id"),
    column("center_user_id"),
    text_column("reason", 500),
    column("granted_at", default="now()"),
    column("expires_at"),
    column("revoked_at", optional=True),
    column("revoked_by", optional=True),
    check(
        "char_length(reason) >= 20 AND expires_at <= granted_at + interval '60 minutes'",
        "break_glass_is_short_and_explained",
    ),
    check("(revoked_at IS NULL) = (revoked_by IS NULL)", "somebody_revoked_it"),
    Index(
        "break_glass_grant_live",
        "hospital_id",
        "transport_request_id",
        "center_user_id",
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

ROW_SECURITY = row_security(metadata, TENANT, EXEMPT)
