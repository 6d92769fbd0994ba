"""Statements written in SQLAlchemy Core, compiled once to text, run by psycopg.

Core checks column names, composes, and shares its tables with Alembic; psycopg runs the text
for a fraction of the CPU that Core's own execution takes. So every statement is a module
constant, compiled at import, and only its parameters arrive at run time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import EnumType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_type_hints, overload

from psycopg.rows import AsyncRowFactory, args_row, dict_row
from sqlalchemy import BindParameter, ColumnElement, Table, and_, bindparam, func
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.selectable import ReturnsRows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row")
_VERB = re.compile(r"\s*([A-Za-z]+)")
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:ONLY\s+)?([a-z_][a-z0-9_]*)", re.IGNORECASE)
DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Statement(Generic[Row]):
    """Text with ``%(name)s`` parameters, the ones already known, and the shape of its rows.

    ``name`` is what traces call it.
    """

    text: str
    constants: Mapping[str, object]
    rows: AsyncRowFactory[Row]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", name_of(self.text))


@overload
def compiled(statement: ReturnsRows) -> Statement[dict[str, Any]]: ...
@overload
def compiled(statement: ReturnsRows, into: Callable[..., Row]) -> Statement[Row]: ...
def compiled(statement: ReturnsRows, into: Callable[..., Any] | None = None) -> Statement[Any]:
    """Compile ``statement``, whose parameters keep their ``bindparam`` or column names.

    Rows arrive as dicts; as ``into``, if it is a dataclass; else as what ``into`` returns for
    the columns in their order. Raises TypeError when a dataclass has other fields than the row
    has columns, and ValueError when the text would depend on a value, as ``in_`` with a list
    does: write ``column == any_(bindparam(...))``.
    """
    sql = statement.compile(dialect=DIALECT)
    if sql.post_compile_params:
        raise ValueError(f"no fixed text: {sql}")
    constants = {name: bind.value for bind, name in sql.bind_names.items() if not bind.required}
    if isinstance(into, type) and is_dataclass(into):
        return Statement(str(sql), constants, _into(into, statement.exported_columns.keys()))
    return Statement(str(sql), constants, args_row(into) if into else dict_row)


@overload
def written(text: str) -> Statement[dict[str, Any]]: ...
@overload
def written(text: str, into: Callable[..., Row]) -> Statement[Row]: ...
def written(text: str, into: Callable[..., Any] | None = None) -> Statement[Any]:
    """Take SQL that Core cannot write, with ``%(name)s`` parameters, as a constant too.

    Rows arrive as dicts, or as what ``into`` returns for the columns in their order.
    """
    return Statement(text, {}, args_row(into) if into else dict_row)


def name_of(text: str) -> str:
    """Return a statement's verb and first table, such as ``UPDATE transport_bid``; no value."""
    verb, table = _VERB.match(text), _TABLE.search(text)
    return " ".join((verb[1].upper() if verb else "SQL", *((table[1],) if table else ())))


def same_key(table: Table) -> ColumnElement[bool]:
    """Match the whole primary key, tenant first: no query forgets whose row it wants."""
    return and_(*(column == bindparam(column.key) for column in table.primary_key))


def if_given(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Compare a column that is never null with a parameter; None lets every row pass."""
    return column == func.coalesce(bindparam(name, type_=column.type), column)


def other_columns(table: Table) -> dict[str, BindParameter[Any]]:
    """Set every column outside the primary key from the parameter of its name."""
    return {column.key: bindparam(column.key) for column in table.c if not column.primary_key}


def columns(value: DataclassInstance) -> dict[str, Any]:
    """Give ``value``'s fields as parameters; unlike ``asdict``, copies nothing."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _into(cls: type[Row], names: Sequence[str]) -> AsyncRowFactory[Row]:
    """Build ``cls`` by column name; text becomes the enum that its field declares."""
    hints = get_type_hints(cls)
    if differing := hints.keys() ^ set(names):
        raise TypeError(f"{cls.__name__} and its row differ in {sorted(differing)}")
    enums = {name: enum for name in names for enum in _enums(hints[name])}

    def build(*values: Any) -> Row:
        row = dict(zip(names, values, strict=True))
        for name, enum in enums.items():
            row[name] = None if row[name] is None else enum(row[name])
        return cls(**row)

    return args_row(build)


def _enums(hint: object) -> list[EnumType]:
    """Find the enum in ``Status`` or in ``Status | None``."""
    return [each for each in (hint, *get_args(hint)) if isinstance(each, EnumType)]
