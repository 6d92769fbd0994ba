"""What Center decides and this silo follows: toggles, configuration, templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Table, bindparam
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import Statement, compiled
from chassis.unit_of_work import UnitOfWork
from hospital_svc.tables import (
    feature_toggle_copy,
    notification_template_copy,
    system_configuration_copy,
)


def _newer(table: Table) -> Statement[dict[str, Any]]:
    key = [column.key for column in table.primary_key]
    values: dict[str, Any] = {column.key: bindparam(column.key) for column in table.c}
    rest = {name: value for name, value in values.items() if name not in key}
    return compiled(
        insert(table)
        .values(values)
        .on_conflict_do_update(
            index_elements=key, set_=rest, where=table.c.version < bindparam("version")
        )
    )


FEATURE_TOGGLE = _newer(feature_toggle_copy)
SYSTEM_CONFIGURATION = _newer(system_configuration_copy)
NOTIFICATION_TEMPLATE = _newer(notification_template_copy)


async def put(
    uow: UnitOfWork, statement: Statement[dict[str, Any]], row: Mapping[str, object]
) -> None:
    """Keep ``row`` by one of the statements above, unless a newer version is here."""
    await uow.execute(statement, **{name: _stored(name, each) for name, each in row.items()})


def _stored(name: str, value: object) -> object:
    """Give the two columns that hold JSON of any shape as such: a bare text is JSON there too."""
    return Jsonb(value) if name in {"value", "configuration"} else value
