"""The audit trail: written with the action, never changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, cast
from sqlalchemy.dialects.postgresql import INET, insert

from chassis.sql import columns, compiled
from chassis.unit_of_work import UnitOfWork
from hospital_svc.domain.audit_entries import AuditEntry
from hospital_svc.tables import audit_entry as table

_values: dict[str, Any] = {column.key: bindparam(column.key) for column in table.c}
_values["ip_address"] = cast(bindparam("ip_address"), INET)
ADD = compiled(insert(table).values(_values))


async def add(uow: UnitOfWork, entry: AuditEntry) -> None:
    await uow.execute(ADD, **columns(entry))
