"""The tables obey the rules of the domain: names fix types, and the tenant leads every key.

Proves domain.md 2.1 on every column of every silo, tenant-leading primary and unique keys but for
the constant list, and that row-level security misses no tenant table. No database.
"""

from __future__ import annotations

from importlib import import_module

import pytest
from sqlalchemy import CheckConstraint, Column, Index, MetaData, Table, UniqueConstraint

from chassis import schema
from chassis.shared_tables import UNTENANTED

METADATA: dict[str, MetaData] = {
    silo: import_module(f"{silo}_svc.tables").metadata for silo in ("hospital", "ems", "center")
}
TENANT = {"hospital": "hospital_id", "ems": "agency_id"}
ROOTS = {"hospital", "ems_agency"}  # the tenants themselves
TABLES = [
    pytest.param(silo, table, id=f"{silo}.{table.name}")
    for silo, metadata in METADATA.items()
    for table in metadata.sorted_tables
]
EXEMPT = {"patient_id"}  # another system's number for a patient: text, as the domain says
every_table = pytest.mark.parametrize(("silo", "table"), TABLES)


def _rule(column: Column[object]) -> Column[object] | None:
    """Make the column that its name asks for; None when no rule knows the name."""
    try:
        return schema.column(column.name)
    except ValueError:
        return None


def _is_enum(column: Column[object]) -> bool:
    """A ``state`` is two letters of an address, or one of a list."""
    return any(" IN (" in check for check in _checks(column))


def _checks(column: Column[object]) -> set[str]:
    kept = (each for each in column.constraints if isinstance(each, CheckConstraint))
    return {str(each.sqltext) for each in kept}


@every_table
def test_a_columns_name_fixes_its_type_and_check(silo: str, table: Table) -> None:
    for column in table.columns:
        ruled = _rule(column)
        if ruled is None or column.name in EXEMPT or _is_enum(column):
            continue
        assert str(column.type) == str(ruled.type), f"{table.name}.{column.name}"
        if not column.computed:
            assert _checks(ruled) <= _checks(column), f"{table.name}.{column.name}"


@every_table
def test_the_tenant_leads_every_key(silo: str, table: Table) -> None:
    if silo == "center" or table.name in UNTENANTED:
        return
    tenant = TENANT[silo]
    assert next(iter(table.primary_key.columns)).name == tenant
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            assert next(iter(constraint.columns)).name == tenant, constraint.name
    for index in table.indexes:
        if index.unique:
            assert _leading(index) == tenant, index.name


def _leading(index: Index) -> str:
    return str(getattr(index.expressions[0], "name", index.expressions[0]))


@every_table
def test_money_is_never_a_float_and_time_never_naive(silo: str, table: Table) -> None:
    for column in table.columns:
        kind = str(column.type)
        assert kind != "TIMESTAMP WITHOUT TIME ZONE"
        if column.name.endswith("_amount"):
            assert kind == "NUMERIC(12, 2)"
        if column.name.endswith("_at"):
            assert getattr(column.type, "timezone", False)


@pytest.mark.parametrize("silo", TENANT)
def test_row_security_covers_every_tenant_table(silo: str) -> None:
    statements = schema.row_security(METADATA[silo], TENANT[silo], UNTENANTED | ROOTS)
    secured = {text.split()[4] for text in statements if text.startswith("CREATE POLICY")}
    tables = METADATA[silo].sorted_tables
    tenanted = {table.name for table in tables if TENANT[silo] in table.columns}
    assert tenanted - UNTENANTED - ROOTS == secured


def test_no_table_holds_what_only_the_hospital_may_know() -> None:
    """PHI has no column in EMS or Center (domain.md, section 4)."""
    phi = {"patient_id", "special_requirements", "origin_detail", "destination_detail"}
    phi |= {"cancellation_note"}
    for silo in ("ems", "center"):
        for table in METADATA[silo].sorted_tables:
            assert not phi & set(table.columns.keys()), table.name
