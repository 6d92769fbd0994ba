"""Units, where they are and what they do; and planned routes."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Column, Computed, Index, SmallInteger, Table, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from chassis.schema import NOW, check, column, names, one_of, record, set_of, text_column
from chassis.vocabulary import Capability, TransportLevel, UnitStatus, UnitType
from ems_svc.domain.levels import RANKS, UNIT_LEVELS
from ems_svc.domain.routes import RouteStatus, RouteStopKind, RouteType
from ems_svc.domain.units import IDLE
from ems_svc.tables.shared import metadata, to

Level = TypeVar("Level", bound=StrEnum)


def _rank(name: str, ranks: dict[Level, int]) -> str:
    cases = " ".join(f"WHEN '{level}' THEN {rank}" for level, rank in ranks.items())
    return f"CASE {name} {cases} END"


unit = Table(
    "unit",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    text_column("unit_number", 20),
    one_of("type", names(UnitType)),
    one_of("crew_level", names(TransportLevel)),
    Column(
        "effective_level_rank",
        SmallInteger,
        Computed(
            f"LEAST({_rank('type', {k: RANKS[v] for k, v in UNIT_LEVELS.items()})},"
            f" {_rank('crew_level', RANKS)})",
            persisted=True,
        ),
        nullable=False,
    ),
    set_of("capabilities", names(Capability)),
    one_of("current_status", names(UnitStatus), default=UnitStatus.AVAILABLE),
    column("current_assignment_id", optional=True),
    column("shift_start_at", optional=True),
    column("shift_end_at", optional=True),
    column("is_active", default="true"),
    *record(),
    to("ems_agency"),
    Index(
        "unit_number_once",
        "agency_id",
        "unit_number",
        unique=True,
        postgresql_where=text("is_active"),
    ),
    check("shift_end_at > shift_start_at", "shift_ends_after_it_starts"),
    check(
        "(current_status IN ('RESERVED', 'EN_ROUTE', 'AT_PICKUP', 'TRANSPORTING',"
        " 'AT_DESTINATION')) = (current_assignment_id IS NOT NULL)",
        "busy_means_on_a_job",
    ),
    check("is_active OR current_assignment_id IS NULL", "retired_means_free"),
)


# One row per unit, the latest fix. The last two columns are the coalescer's memory: it has to
# survive restarts and to be shared, or hospitals would hear of every fix.
unit_location = Table(
    "unit_location",
    metadata,
    column("agency_id", primary_key=True),
    column("unit_id", primary_key=True),
    column("latitude"),
    column("longitude"),
    column("fix_at"),
    column("received_at", default=NOW),
    column("announced_at", optional=True),
    column("announced_version", default="0"),
    to("unit", "unit_id"),
)


# What is kept of the positions that units reported: for maps, disputes and bills.
unit_location_history = Table(
    "unit_location_history",
    metadata,
    column("agency_id", primary_key=True),
    column("unit_id", primary_key=True),
    column("fix_at", primary_key=True),
    column("latitude"),
    column("longitude"),
    column("received_at", default=NOW),
    to("unit", "unit_id"),
    Index("unit_location_history_age", "agency_id", "fix_at"),
)


unit_availability = Table(
    "unit_availability",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    column("unit_id"),
    one_of("status", [str(each) for each in IDLE]),
    column("start_at"),
    column("end_at", optional=True),
    column("notes", optional=True),
    *record(),
    to("unit", "unit_id"),
    Index(
        "unit_availability_open",
        "agency_id",
        "unit_id",
        unique=True,
        postgresql_where=text("end_at IS NULL"),
    ),
    Index("unit_availability_start", "agency_id", "unit_id", "start_at"),
    # Intervals of one unit never share time; one without an end counts by its beginning, for it
    # lasts until the next begins. A range of one hash stands for the unit: without an extension
    # gist compares no uuids, and two units of one hash are as likely as two equal ids.
    ExcludeConstraint(
        (
            text("int8range(uuid_hash_extended(unit_id, 0), uuid_hash_extended(unit_id, 0), '[]')"),
            "&&",
        ),
        (
            text(
                "(CASE WHEN end_at IS NULL THEN tstzrange(start_at, start_at, '[]')"
                " ELSE tstzrange(start_at, end_at) END)"
            ),
            "&&",
        ),
        name="unit_availability_apart",
    ),
    check("end_at > start_at", "ends_after_it_starts"),
)


ems_route = Table(
    "ems_route",
    metadata,
    column("agency_id", primary_key=True),
    column("id", primary_key=True),
    column("route_name"),
    one_of("route_type", names(RouteType)),
    column("distance_miles"),
    column("estimated_minutes"),
    one_of("status", names(RouteStatus), default=RouteStatus.DRAFT),
    *record(),
)


ems_route_stop = Table(
    "ems_route_stop",
    metadata,
    column("agency_id", primary_key=True),
    column("route_id", primary_key=True),
    column("stop_order", primary_key=True),
    one_of("kind", names(RouteStopKind)),
    column("facility_id", optional=True),
    column("transport_request_id", optional=True),
    column("latitude"),
    column("longitude"),
    to("ems_route", "route_id"),
)
