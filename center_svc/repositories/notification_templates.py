"""What operators set up of notification templates."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from sqlalchemy import select

from center_svc.tables import notification_template as table
from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork

EACH = compiled(select(table))


def each(uow: UnitOfWork) -> AsyncGenerator[dict[str, Any], None]:
    """Yield every template as its row, one by one."""
    return uow.each(EACH)
