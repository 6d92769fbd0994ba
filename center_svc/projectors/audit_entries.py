"""Follows what was done and refused in the other silos, into the trail of them all."""

from __future__ import annotations

from medport.ems.events.v1 import audit_entries_pb2 as ems
from medport.hospital.events.v1 import audit_entries_pb2 as hospital

from center_svc.messages import facts
from center_svc.repositories import audit_log
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import Silo


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing.

    The payload's package names the silo: no silo writes into another's chain.
    """
    match event.payload:
        case hospital.AccessAudited() as audited:
            await audit_log.add(uow, facts.audit_entry(audited, Silo.HOSPITAL))
        case ems.AccessAudited() as audited:
            await audit_log.add(uow, facts.audit_entry(audited, Silo.EMS))
