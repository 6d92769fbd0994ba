"""What the tables of this silo have in common."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Column, ForeignKeyConstraint, MetaData, Table, bindparam

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


def stored(table: Table) -> list[Column[Any]]:
    """Give the columns that are written: all but those that PostgreSQL generates."""
    return [each for each in table.c if each.computed is None]


def new_values(table: Table) -> dict[str, BindParameter[Any]]:
    """Insert every written column from the parameter of its name."""
    return {each.key: bindparam(each.key) for each in stored(table)}


def changed_values(table: Table) -> dict[str, BindParameter[Any]]:
    """Set every written column outside the primary key from the parameter of its name."""
    return {each.key: bindparam(each.key) for each in stored(table) if not each.primary_key}
