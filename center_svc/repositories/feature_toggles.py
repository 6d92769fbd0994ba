"""What operators set up of feature toggles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.feature_toggles import FeatureToggle
from center_svc.tables import feature_toggle as table
from chassis.errors import NotFound
from chassis.sql import columns, compiled, if_given, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork

_NAMED = table.c.feature_name == bindparam("feature_name")
_KNOWN = table.c.is_deleted.is_(False)
GET = compiled(select(table).where(_NAMED, _KNOWN), into=FeatureToggle)
EACH = compiled(select(table), into=FeatureToggle)
LOCK = compiled(select(table).where(_NAMED).with_for_update(), into=FeatureToggle)
# A second one that uses the name for the first time waits here, then finds the first one's row.
ENSURE = compiled(insert(table).on_conflict_do_nothing())
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
LIST = compiled(
    select(table)
    .where(
        table.c.feature_name > bindparam("after"),
        _KNOWN,
        if_given(table.c.is_enabled, "is_enabled"),
    )
    .order_by(table.c.feature_name)
    .limit(bindparam("limit")),
    into=FeatureToggle,
)
NAMED = compiled(
    select(table).where(
        table.c.feature_name == any_(bindparam("names", type_=ARRAY(Text))), _KNOWN
    ),
    into=FeatureToggle,
)
CHANGED = compiled(
    select(table).where(table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))),
    into=FeatureToggle,
)


def each(uow: UnitOfWork) -> AsyncGenerator[FeatureToggle, None]:
    """Yield every toggle, deleted ones too, which are off."""
    return uow.each(EACH)


async def get(rows: Rows, feature_name: str) -> FeatureToggle:
    found = await rows.optional(GET, feature_name=feature_name)
    return _found(found, feature_name)


async def lock(uow: UnitOfWork, feature_name: str) -> FeatureToggle:
    """Hold a feature's row until the transaction ends."""
    found = await uow.optional(LOCK, feature_name=feature_name)
    return _found(found, feature_name)


async def lock_or_first(uow: UnitOfWork, first: FeatureToggle) -> FeatureToggle:
    """Hold a name's row, deleted or not; ``first`` is the row if there never was one."""
    await uow.execute(ENSURE, **_stored(first))
    return await uow.one(LOCK, feature_name=first.feature_name)


async def save(uow: UnitOfWork, toggle: FeatureToggle) -> None:
    """Write back a row that is held."""
    await uow.execute(SAVE, **_stored(toggle))


async def list_by_name(
    rows: Rows, after: str, limit: int, *, is_enabled: bool | None = None
) -> list[FeatureToggle]:
    return await rows.all(LIST, after=after, limit=limit, is_enabled=is_enabled)


async def list_named(rows: Rows, names: Collection[str]) -> dict[str, FeatureToggle]:
    """Return the toggles that there are of ``names``."""
    found = await rows.all(NAMED, names=list(names))
    return {each.feature_name: each for each in found}


async def list_ids(rows: Rows, ids: Sequence[UUID]) -> list[FeatureToggle]:
    """Return toggles as they stand, deleted ones too."""
    return await rows.all(CHANGED, ids=list(ids))


def _found(toggle: FeatureToggle | None, feature_name: str) -> FeatureToggle:
    if toggle is None or toggle.is_deleted:
        text = f"feature {feature_name} has no toggle"
        raise NotFound(text, resource="feature_toggle", id=feature_name)
    return toggle


def _stored(toggle: FeatureToggle) -> dict[str, Any]:
    return columns(toggle) | {
        "configuration": Jsonb(toggle.configuration),
        "target_users": list(toggle.target_users),
        "target_organizations": list(toggle.target_organizations),
    }
