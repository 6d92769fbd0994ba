"""What the tables of this silo have in common."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, MetaData

from chassis.schema import column, names, one_of, set_of
from chassis.vocabulary import AgeBand, Capability, Priority, TransportLevel, WeightBand

TENANT = "agency_id"
# The directory of tenants is listed by projectors and timers before they turn to one of them.
EXEMPT_FROM_ROW_SECURITY = frozenset({"ems_agency"})

metadata = MetaData()


def need() -> list[Column[Any]]:
    """Make the columns of what a trip asks for: NEED."""
    return [
        one_of("transport_level", names(TransportLevel)),
        one_of("priority", names(Priority)),
        set_of("required_capabilities", names(Capability), empty=False),
        one_of("age_band", names(AgeBand)),
        one_of("weight_band", names(WeightBand)),
        column("origin_facility_id"),
        column("destination_facility_id"),
        column("ready_at"),
        column("latest_pickup_at"),
    ]


def to(table: str, *local: str) -> ForeignKeyConstraint:
    """Refer to another row of the same agency, and never of another one."""
    remote = [f"{table}.agency_id", f"{table}.id"]
    return ForeignKeyConstraint(["agency_id", *local], remote[: 1 + len(local)])
