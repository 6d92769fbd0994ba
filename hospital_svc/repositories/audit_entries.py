"""The audit trail: written with the action, never changed."""

from __future__ import annotations

from typing import Any

from medport.hospital.events.v1.audit_entries_pb2 import AccessAudited
from sqlalchemy import bindparam, insert

from chassis.audit_rows import AuditRows
from chassis.sql import columns, compiled
from chassis.unit_of_work import UnitOfWork
from hospital_svc.domain.audit_entries import AuditEntry
from hospital_svc.tables import TENANT, metadata
from hospital_svc.tables import audit_entry as table

_values: dict[str, Any] = {column.key: bindparam(column.key) for column in table.c}
ADD = compiled(insert(table).values(_values))

# What the chassis has to tell: logins, refusals, operators' decisions.
keep = AuditRows(metadata, TENANT, AccessAudited).keep


async def add(uow: UnitOfWork, entry: AuditEntry) -> None:
    await uow.execute(ADD, **columns(entry))
