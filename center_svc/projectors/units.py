"""Follows what units do, into intervals of which utilization is made."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1.units_pb2 import UnitStatusChanged

from center_svc.repositories import unit_interval_facts
from chassis.clock import instant
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import UnitStatus
from chassis.wire import member


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    match event.payload:
        case UnitStatusChanged(is_retired=True) as changed:
            await unit_interval_facts.retire(
                uow, UUID(changed.agency_id), UUID(changed.unit_id), instant(changed.change_time)
            )
        case UnitStatusChanged() as changed:
            await unit_interval_facts.turn(
                uow,
                UUID(changed.agency_id),
                UUID(changed.unit_id),
                member(UnitStatus, words.UnitStatus, changed.status),
                instant(changed.change_time),
            )
