"""What operators set up of feature toggles."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from sqlalchemy import select

from center_svc.tables import feature_toggle as table
from chassis.sql import compiled
from chassis.unit_of_work import UnitOfWork

EACH = compiled(select(table))


def each(uow: UnitOfWork) -> AsyncGenerator[dict[str, Any], None]:
    """Yield every toggle as its row, one by one."""
    return uow.each(EACH)
