"""What operators decide about consumers: no tenant's, so its one place is Center's audit log."""

from __future__ import annotations

from medport.hospital.events.v1.audit_entries_pb2 import AccessAudited

from chassis.audit_entries import Decision, audited
from chassis.unit_of_work import UnitOfWork


async def record(uow: UnitOfWork, made: Decision) -> None:
    """Announce it to Center, with the transaction that makes it true."""
    uow.emit(audited(AccessAudited, made))
