"""Every column of the founding document has its column, its field, and RPCs that read and write it.

Proves ``docs/coverage.md`` against the migrated databases and the contract's descriptors.
Run: ``python -m pytest tests/conformance/test_coverage.py``; needs PostgreSQL.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from tests.support.contract import reachable
from tests.support.coverage import Column, descriptors, founding_columns, rpcs
from tests.support.databases import SILOS, Databases, owner_of

BEHAVIOUR: Any = vars(field_behavior_pb2)["field_behavior"]  # made at run time
OUTPUT_ONLY = 3
# The founding document's tables and how many columns each has (domain.md 2.7).
COLUMNS = {
    "HospitalUser": 8, "HospitalFacility": 16, "TransportRequest": 19,
    "HospitalAgencyPreference": 8, "TripHistory": 6, "EMSAgency": 19, "EMSAgencyUser": 11,
    "Unit": 12, "UnitAvailability": 8, "TransportBid": 10, "EMSRoute": 10, "ServiceArea": 8,
    "CenterUser": 9, "SystemConfiguration": 8, "ServiceRegistry": 11, "SystemAnalytics": 6,
    "AuditLog": 8, "FeatureToggle": 7, "NotificationTemplate": 8,
}  # fmt: skip
# Made of what happens, not of what somebody sends: no RPC writes them of itself.
WITHOUT_WRITERS = {"SystemAnalytics", "AuditLog"}

every_column = pytest.mark.parametrize("column", founding_columns(), ids=str)
_IN_DATABASE = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
"""


@pytest.fixture(scope="module")
def stored(databases: Databases) -> dict[str, set[tuple[str, str]]]:
    """Return each silo's columns, as its migrations have made them."""
    return {silo: _stored(databases, silo) for silo in SILOS}


def _stored(databases: Databases, silo: str) -> set[tuple[str, str]]:
    with databases.fresh(silo) as dsn, psycopg.connect(owner_of(dsn)) as owner:
        columns = {(str(table), str(name)) for table, name in owner.execute(_IN_DATABASE)}
    return columns | {(table, "*") for table, _ in columns}


def test_the_page_has_every_column_once() -> None:
    named = [column.founding for column in founding_columns()]
    assert len(named) == len(set(named))
    assert Counter(name.partition(".")[0] for name in named) == COLUMNS


@every_column
def test_the_database_has_it(column: Column, stored: dict[str, set[tuple[str, str]]]) -> None:
    assert column.columns
    assert set(column.columns) <= stored[column.silo]


@every_column
def test_the_contract_has_it(column: Column) -> None:
    assert column.fields
    known = descriptors()
    for message, field in column.fields:
        assert field in known[message].fields_by_name, field


@every_column
def test_somebody_can_read_it(column: Column) -> None:
    secret = all(_redacted(*field) for field in column.fields)
    assert bool(column.readers) is not secret
    for name in column.readers:
        answer = rpcs()[name].output_type
        assert all(_reaches(answer, *field) for field in column.fields), name


@every_column
def test_somebody_can_write_it(column: Column) -> None:
    assert bool(column.writers) is (column.founding.partition(".")[0] not in WITHOUT_WRITERS)
    for name in column.writers:
        method = rpcs()[name]
        level = method.GetOptions().idempotency_level
        assert level != MethodOptions.NO_SIDE_EFFECTS, name
        if method.full_name.startswith(f"medport.{column.silo}."):
            sent = [field for field in column.fields if not _output_only(*field)]
            assert all(_reaches(method.input_type, *field) for field in sent), name


def _output_only(message: str, field: str) -> bool:
    options = descriptors()[message].fields_by_name[field].GetOptions()
    return OUTPUT_ONLY in options.Extensions[BEHAVIOUR]


def _redacted(message: str, field: str) -> bool:
    return field.endswith("password")


def _reaches(root: Descriptor, message: str, field: str) -> bool:
    return any(
        each.containing_type.full_name == message and each.name == field
        for each in reachable(root)
        if each.containing_type is not None
    )
