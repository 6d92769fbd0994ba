"""The audit trail of a silo with tenants: rows added, announced, never changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, bindparam
from sqlalchemy.dialects.postgresql import insert

from chassis.audit_entries import Entry, audited
from chassis.idempotency import NO_TENANT
from chassis.sql import columns, compiled
from chassis.unit_of_work import UnitOfWork


class AuditRows:
    """Statements on ``audit_entry``; ``kind`` is the silo's AccessAudited.

    Whose user belongs to no tenant, or is not known, has its row under NO_TENANT.
    """

    def __init__(self, metadata: MetaData, tenant: str, kind: Any) -> None:
        table = metadata.tables["audit_entry"]
        known: dict[str, Any] = {
            each.key: bindparam(each.key) for each in table.c if each.key != tenant
        }
        row = {tenant: bindparam("tenant"), **known}
        self._add = compiled(insert(table).values(row).on_conflict_do_nothing())
        self._kind = kind

    async def keep(self, uow: UnitOfWork, entry: Entry) -> None:
        """Add an entry and announce it; one that is there already changes nothing."""
        known = columns(entry) | {"tenant": entry.tenant or NO_TENANT}
        if await uow.execute(self._add, **known) == 1:
            uow.emit(audited(self._kind, entry))
