"""Agencies, their users, rates and areas; and what every silo has."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, Column, Computed, Double, Index, Table, func, text

from chassis.schema import NOW, check, column, jsonb, names, one_of, record, set_of
from chassis.shared_tables import copies, shared_tables
from chassis.vocabulary import Capability, RegistryStatus, TransportLevel
from ems_svc.domain.users import UserRole
from ems_svc.tables.shared import TENANT, metadata, to

ems_agency = Table(
    "ems_agency",
    metadata,
    column("agency_id", primary_key=True),
    column("service_id"),
    column("name"),
    column("contact_name", optional=True),
    column("phone"),
    column("email"),
    column("address"),
    column("city"),
    column("state"),
    column("zip_code"),
    column("latitude"),
    column("longitude"),
    jsonb("operating_hours", default="'[]'"),
    set_of("levels", names(TransportLevel)),
    set_of("capabilities", names(Capability)),
    one_of("status", names(RegistryStatus), default=RegistryStatus.PENDING),
    Column("is_active", Boolean, Computed("status = 'ACTIVE'", persisted=True), nullable=False),
    column("registry_version", default="0"),
    column("added_by"),
    column("added_at", default=NOW),
    *record(),
)


# unit_id: the unit that a crew member staffs, and the only one whose jobs they may move.
ems_agency_user = Table(
    "ems_agency_user",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    column("email"),
    column("password_hash", optional=True),
    column("name"),
    one_of("role", names(UserRole)),
    column("phone", optional=True),
    column("unit_id", optional=True),
    column("is_active", default="true"),
    column("last_login_at", optional=True),
    *record(),
    to("ems_agency"),
    to("unit", "unit_id"),
    Index("ems_agency_user_email", "agency_id", func.lower(text("email")), unique=True),
)


shared_tables(metadata, tenant=TENANT, users="ems_agency_user")
copies(metadata, tenant=TENANT)


agency_rate = Table(
    "agency_rate",
    metadata,
    column("agency_id", primary_key=True),
    one_of("transport_level", names(TransportLevel), primary_key=True),
    column("base_amount"),
    column("per_mile_amount"),
    column("currency_code", default="'USD'"),
    *record(),
)


service_area = Table(
    "service_area",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    column("name"),
    column("center_latitude"),
    column("center_longitude"),
    column("radius_miles"),
    # Pairs of latitude and longitude, the polygon's points in their order; none: a circle.
    Column("boundary", ARRAY(Double, dimensions=2), nullable=False, server_default=text("'{}'")),
    column("is_primary", default="false"),
    column("is_active", default="true"),
    *record(),
    Index(
        "service_area_primary",
        "agency_id",
        unique=True,
        postgresql_where=text("is_primary AND is_active"),
    ),
    check(
        "boundary = '{}' OR (array_ndims(boundary) = 2 AND array_length(boundary, 2) = 2"
        " AND array_length(boundary, 1) BETWEEN 3 AND 100 AND 180 >= ALL (boundary)"
        " AND -180 <= ALL (boundary))",
        "boundary_is_a_polygon",
    ),
)
