"""What operators set up of notification templates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, bindparam, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from center_svc.domain.notification_templates import NotificationTemplate
from center_svc.tables import notification_template as table
from chassis.errors import NotFound
from chassis.sql import columns, compiled, other_columns, same_key
from chassis.unit_of_work import Rows, UnitOfWork

_KNOWN = table.c.is_deleted.is_(False)
_ONLY = bindparam("only", type_=Text)
_AFTER = tuple_(bindparam("after_name", type_=Text), bindparam("after_type", type_=Text))
GET = compiled(select(table).where(same_key(table), _KNOWN), into=NotificationTemplate)
EACH = compiled(select(table), into=NotificationTemplate)
LOCK = compiled(
    select(table).where(same_key(table), _KNOWN).with_for_update(), into=NotificationTemplate
)
LOCK_NAMED = compiled(
    select(table)
    .where(
        and_(
            table.c.template_name == bindparam("template_name"),
            table.c.template_type == bindparam("template_type"),
        )
    )
    .with_for_update(),
    into=NotificationTemplate,
)
# A second one that uses the name for the first time waits here, then finds the first one's row.
ENSURE = compiled(insert(table).on_conflict_do_nothing())
SAVE = compiled(update(table).where(same_key(table)).values(other_columns(table)))
LIST = compiled(
    select(table)
    .where(
        tuple_(table.c.template_name, table.c.template_type) > _AFTER,
        or_(_ONLY == "", table.c.template_name == _ONLY),
        _KNOWN,
    )
    .order_by(table.c.template_name, table.c.template_type)
    .limit(bindparam("limit")),
    into=NotificationTemplate,
)


def each(uow: UnitOfWork) -> AsyncGenerator[NotificationTemplate, None]:
    """Yield every template, deleted ones too: their versions go on."""
    return uow.each(EACH)


async def get(rows: Rows, id: UUID) -> NotificationTemplate:
    found = await rows.optional(GET, id=id)
    return _found(found, id)


async def lock(uow: UnitOfWork, id: UUID) -> NotificationTemplate:
    """Hold a template's row until the transaction ends."""
    found = await uow.optional(LOCK, id=id)
    return _found(found, id)


async def lock_or_first(uow: UnitOfWork, first: NotificationTemplate) -> NotificationTemplate:
    """Hold the row of a name and type, deleted or not; ``first`` is it if there never was one."""
    await uow.execute(ENSURE, **_stored(first))
    named = {"template_name": first.template_name, "template_type": first.template_type}
    return await uow.one(LOCK_NAMED, **named)


async def save(uow: UnitOfWork, template: NotificationTemplate) -> None:
    """Write back a row that is held."""
    await uow.execute(SAVE, **_stored(template))


async def list_by_name(
    rows: Rows, only: str, after: Sequence[str], limit: int
) -> list[NotificationTemplate]:
    """Return a page, of one name if ``only`` is one; ``after`` is a name and a type."""
    name, type = after
    return await rows.all(LIST, only=only, after_name=name, after_type=type, limit=limit)


def _found(template: NotificationTemplate | None, id: UUID) -> NotificationTemplate:
    if template is None:
        text = f"notification template {id} does not exist"
        raise NotFound(text, resource="notification_template", id=str(id))
    return template


def _stored(template: NotificationTemplate) -> dict[str, Any]:
    return columns(template) | {"variables": list(template.variables)}
