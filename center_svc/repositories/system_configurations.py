"""What operators configured, and each version of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, BigInteger, Text, and_, any_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.system_configurations import ConfigurationVersion, SystemConfiguration
from center_svc.tables import system_configuration as table
from center_svc.tables import system_configuration_version as version
from chassis.errors import NotFound
from chassis.sql import columns, compiled, if_given, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork

_CATEGORIES = bindparam("categories", type_=ARRAY(Text))
_BY_KEY = table.c.key == bindparam("key")
GET = compiled(select(table).where(_BY_KEY), into=SystemConfiguration)
EACH = compiled(select(table), into=SystemConfiguration)
LOCK = compiled(select(table).where(_BY_KEY).with_for_update(), into=SystemConfiguration)
# A second one that sets the key for the first time waits here, then finds the first one's row.
ENSURE = compiled(insert(table).on_conflict_do_nothing())
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
KEEP = compiled(insert(version))
LIST = compiled(
    select(table)
    .where(
        table.c.key > bindparam("after"),
        or_(func.cardinality(_CATEGORIES) == 0, table.c.category == any_(_CATEGORIES)),
        if_given(table.c.is_active, "is_active"),
    )
    .order_by(table.c.key)
    .limit(bindparam("limit")),
    into=SystemConfiguration,
)

_BEFORE = bindparam("before", type_=BigInteger)
_VERSIONS = select(
    *(version.c[name] for name in ("version", "value", "is_active", "updated_by", "updated_at"))
).join(table, and_(version.c.configuration_id == table.c.id, _BY_KEY))
VERSIONS = compiled(
    _VERSIONS.where(version.c.version < _BEFORE)
    .order_by(version.c.version.desc())
    .limit(bindparam("limit")),
    into=ConfigurationVersion,
)
VERSION = compiled(
    _VERSIONS.where(version.c.version == bindparam("wanted")), into=ConfigurationVersion
)


def each(uow: UnitOfWork) -> AsyncGenerator[SystemConfiguration, None]:
    """Yield every key that was set, one by one."""
    return uow.each(EACH)


async def get(rows: Rows, key: str) -> SystemConfiguration:
    found = await rows.optional(GET, key=key)
    if found is None:
        raise NotFound(f"configuration {key} was not set", resource="system_configuration", id=key)
    return found


async def lock(uow: UnitOfWork, first: SystemConfiguration) -> SystemConfiguration:
    """Hold a key's row until the transaction ends; ``first`` is the row if there is none."""
    await uow.execute(ENSURE, **_stored(first))
    return await uow.one(LOCK, key=first.key)


async def hold(uow: UnitOfWork, key: str) -> SystemConfiguration:
    """Hold the row of a key that was set."""
    found = await uow.optional(LOCK, key=key)
    if found is None:
        raise NotFound(f"configuration {key} was not set", resource="system_configuration", id=key)
    return found


async def save(uow: UnitOfWork, changed: SystemConfiguration) -> None:
    """Write back a row read with ``lock``, and keep this version of it."""
    await uow.execute(SAVE, **_stored(changed))
    kept = {name: _stored(changed)[name] for name in ("version", "value", "is_active")}
    await uow.execute(
        KEEP,
        **kept,
        configuration_id=changed.id,
        updated_by=changed.updated_by,
        updated_at=changed.updated_at,
    )


async def list_by_key(
    rows: Rows, after: str, limit: int, *, categories: Sequence[str], is_active: bool | None
) -> list[SystemConfiguration]:
    """Return values by key, those of any of the categories; without one, of all."""
    wanted = {"categories": list(categories), "is_active": is_active}
    return await rows.all(LIST, **wanted, after=after, limit=limit)


async def list_versions(
    rows: Rows, key: str, *, before: int, limit: int
) -> list[ConfigurationVersion]:
    """Return what a key was, newest first, before a version."""
    return await rows.all(VERSIONS, key=key, before=before, limit=limit)


async def get_version(rows: Rows, key: str, wanted: int) -> ConfigurationVersion:
    found = await rows.optional(VERSION, key=key, wanted=wanted)
    if found is None:
        text = f"configuration {key} has no version {wanted}"
        raise NotFound(text, resource="system_configuration_version", id=f"{key}/{wanted}")
    return found


def _stored(value: SystemConfiguration) -> dict[str, Any]:
    """Give the value as JSON: a bare text is JSON there too."""
    return columns(value) | {"value": Jsonb(value.value)}
