"""The copies of what Center configures; the defaults are in the code that asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, Table, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from chassis.sql import Statement, compiled
from chassis.unit_of_work import Rows, UnitOfWork
from ems_svc.domain.distances import ROAD_FACTOR
from ems_svc.tables import metadata

_configuration = metadata.tables["system_configuration_copy"]


def _copy(table: Table) -> Statement[dict[str, Any]]:
    new = insert(table).values({each.key: bindparam(each.key) for each in table.c})
    return compiled(
        new.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={each.key: new.excluded[each.key] for each in table.c if not each.primary_key},
            where=table.c.version < new.excluded.version,
        )
    )


COPY_CONFIGURATION = _copy(_configuration)
COPY_TOGGLE = _copy(metadata.tables["feature_toggle_copy"])
COPY_TEMPLATE = _copy(metadata.tables["notification_template_copy"])
# The longest key that is set decides: one agency's own before everybody's.
VALUE = compiled(
    select(_configuration.c.value)
    .where(
        _configuration.c.key == any_(bindparam("keys", type_=ARRAY(Text))),
        _configuration.c.is_active,
    )
    .order_by(func.char_length(_configuration.c.key).desc())
    .limit(1)
)


async def copy_configuration(uow: UnitOfWork, *, value: object, **row: object) -> None:
    """Keep a configuration value, unless a newer one is here already."""
    await uow.execute(COPY_CONFIGURATION, value=Jsonb(value), **row)


async def copy_toggle(uow: UnitOfWork, **row: object) -> None:
    await uow.execute(COPY_TOGGLE, **row)


async def copy_template(uow: UnitOfWork, **row: object) -> None:
    await uow.execute(COPY_TEMPLATE, **row)


async def road_factor(rows: Rows) -> Decimal:
    """Return by how much roads are longer than the great circle: ``routing.road_factor``."""
    row = await rows.optional(VALUE, keys=["routing.road_factor"])
    return Decimal(row["value"]) if row else ROAD_FACTOR


async def confirms_by_hand(rows: Rows, agency_id: UUID) -> bool:
    """Tell whether the agency answers awards itself: ``award.confirm`` is ``manual``.

    ``award.confirm.{agency_id}`` is one agency's own setting.
    """
    row = await rows.optional(VALUE, keys=["award.confirm", f"award.confirm.{agency_id}"])
    return row is not None and row["value"] == "manual"
