"""Columns whose name fixes their type, and what a silo's tables need beside them.

The rules are domain.md's, section 2.1; a test holds every table of every silo against them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import combinations
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

# What is written in SQL stays in SQL: a default or a check is text.
NOW = "now()"

TEXT_LENGTHS = {
    "password_hash": 200,
    "name": 200,
    "email": 254,
    "notes": 500,
    "phone": 32,
    "address": 200,
    "city": 100,
    "state": 2,
    "zip_code": 10,
}
_COUNTS = ("_minutes", "_seconds", "_count", "_order")
_MOMENT = "{0} BETWEEN '2000-01-01 00:00:00+00' AND '2200-01-01 00:00:00+00'"


def column(
    name: str, *, optional: bool = False, default: str | None = None, primary_key: bool = False
) -> Column[Any]:
    """Make a column whose type and check follow from its name.

    ``default`` is SQL. Raises ValueError for a name that no rule knows: use ``text_column``,
    ``one_of``, ``set_of`` or ``jsonb`` for those.
    """
    kind, check = _rule(name)
    return _column(name, kind, check, optional=optional, default=default, primary_key=primary_key)


def text_column(
    name: str,
    length: int,
    *,
    optional: bool = False,
    default: str | None = None,
    primary_key: bool = False,
) -> Column[Any]:
    """Make a text column of 1 to ``length`` characters."""
    check = f"char_length({{0}}) BETWEEN 1 AND {length}"
    return _column(name, Text(), check, optional=optional, default=default, primary_key=primary_key)


def one_of(
    name: str,
    values: Iterable[str],
    *,
    optional: bool = False,
    default: str | None = None,
    primary_key: bool = False,
) -> Column[Any]:
    """Make a text column that holds one of ``values``; ``default`` is one of them."""
    check = f"{{0}} IN ({_literals(values)})"
    quoted = None if default is None else f"'{default}'"
    return _column(name, Text(), check, optional=optional, default=quoted, primary_key=primary_key)


def set_of(name: str, values: Iterable[str], *, empty: bool = True) -> Column[Any]:
    """Make a ``text[]`` of ``values``; ``empty`` makes the empty set its default."""
    check = f"{{0}} <@ ARRAY[{_literals(values)}]::text[]"
    return _column(name, ARRAY(Text), check, optional=False, default="'{}'" if empty else None)


def jsonb(name: str, *, default: str | None = "'{}'", optional: bool = False) -> Column[Any]:
    return _column(name, JSONB(), None, optional=optional, default=default)


def record() -> list[Column[Any]]:
    """Make the three columns of every row that users change: REC."""
    return [
        column("created_at", default=NOW),
        column("updated_at", default=NOW),
        column("row_version", default="1"),
    ]


def ladder(*names: str) -> CheckConstraint:
    """Refuse times that run backwards; one that is not known yet says nothing."""
    steps = (f"({later} >= {earlier}) IS NOT FALSE" for earlier, later in combinations(names, 2))
    return CheckConstraint(" AND ".join(steps), name="times_never_decrease")


def check(sql: str, name: str) -> CheckConstraint:
    return CheckConstraint(sql, name=name)


def row_security(metadata: MetaData, tenant: str, exempt: frozenset[str]) -> list[str]:
    """Give the statements that let a transaction see one tenant's rows and no others.

    FORCE binds the owner too. USING also serves as WITH CHECK. After its transaction a
    ``SET LOCAL`` setting reads '', not NULL: without NULLIF the cast would fail.
    """
    rule = f"{tenant} = NULLIF(current_setting('medport.tenant_id', true), '')::uuid"
    return [
        statement
        for table in _tenant_tables(metadata, tenant, exempt)
        for statement in (
            f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant ON {table.name} USING ({rule})",
        )
    ]


def _tenant_tables(metadata: MetaData, tenant: str, exempt: frozenset[str]) -> list[Table]:
    tables = metadata.sorted_tables
    return [each for each in tables if tenant in each.primary_key and each.name not in exempt]


def _column(
    name: str,
    kind: TypeEngine[Any],
    check: str | None,
    *,
    optional: bool,
    default: str | None,
    primary_key: bool = False,
) -> Column[Any]:
    rules = [CheckConstraint(check.format(name), name=f"{name}_is_valid")] if check else []
    return Column(
        name,
        kind,
        *rules,
        nullable=optional,
        primary_key=primary_key,
        server_default=None if default is None else text(default),
    )


def _rule(name: str) -> tuple[TypeEngine[Any], str | None]:  # noqa: PLR0911 - a table, read once
    if name == "id" or name.endswith(("_id", "_by", "_token")):
        return Uuid(), None
    if name.endswith("_at"):
        return DateTime(timezone=True), _MOMENT
    if name.startswith("is_"):
        return Boolean(), None
    if name == "version" or name.endswith("_version"):
        return BigInteger(), "{0} >= 0"
    if name.endswith(("latitude", "longitude")):
        bound = 90 if name.endswith("latitude") else 180
        return Double(), f"{{0}} BETWEEN -{bound} AND {bound}"
    if name.endswith("_miles"):
        return Double(), "{0} BETWEEN 0 AND 25000"
    if name.endswith("_amount"):
        return Numeric(12, 2), "{0} >= 0 AND {0} <> 'NaN'"
    if name in {"sequence", "attempts"} or name.endswith(_COUNTS):
        return Integer(), "{0} >= 0"
    return _text_rule(name)


def _text_rule(name: str) -> tuple[TypeEngine[Any], str | None]:
    if name == "currency_code":
        return Text(), "{0} ~ '^[A-Z]{{3}}$'"
    if name.endswith("_hash") and name not in TEXT_LENGTHS:
        return LargeBinary(), None
    length = TEXT_LENGTHS.get(name, TEXT_LENGTHS["name"] if name.endswith("_name") else None)
    if length is None:
        raise ValueError(f"no rule knows the type of a column named {name}")
    return Text(), f"char_length({{0}}) BETWEEN 1 AND {length}"


def _literals(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def names(kind: type[StrEnum]) -> list[str]:
    """Return an enum's values in their order, for ``one_of`` and ``set_of``."""
    return [str(each) for each in kind]
