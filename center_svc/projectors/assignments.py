"""Follows the agencies' jobs, and folds prices, miles and drops into the facts of trips."""

from __future__ import annotations

from uuid import UUID

from medport.ems.events.v1 import assignments_pb2 as pb

from center_svc.domain.sla_timers import SlaKind
from center_svc.messages import facts
from center_svc.repositories import bid_facts, drop_facts, sla_timers, trip_facts
from chassis.clock import instant
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    position = event.placement.position
    match event.payload:
        case pb.AwardConfirmed() as confirmed:
            await _confirm(uow, confirmed, position)
        case pb.TripAdvanced() as advanced:
            await trip_facts.apply(
                uow,
                trip_facts.DRIVE,
                facts.trip_key(advanced.job.trip),
                position,
                **facts.miles(advanced),
            )
        case pb.TripDropped() as dropped:
            await _drop(uow, dropped.job, position)
        case pb.CancellationRefused() | pb.CancellationConfirmed() as answer:
            key, at = facts.trip_key(answer.job.trip), instant(event.metadata.time)
            await sla_timers.answer(uow, key, SlaKind.CANCELLATION_ANSWER, at)


async def _confirm(uow: UnitOfWork, confirmed: pb.AwardConfirmed, position: int) -> None:
    agency_id, bid_id = UUID(confirmed.job.agency_id), UUID(confirmed.bid_id)
    await bid_facts.close(uow, agency_id, bid_id, BidStatus.ACCEPTED, confirmed.bid_version)
    key = facts.trip_key(confirmed.job.trip)
    await trip_facts.apply(
        uow, trip_facts.CONFIRM, key, position, agency_id=agency_id, bid_id=bid_id
    )


async def _drop(uow: UnitOfWork, job: pb.JobRef, position: int) -> None:
    key = facts.trip_key(job.trip)
    await trip_facts.apply(uow, trip_facts.DROP, key, position)
    await drop_facts.add(uow, key, UUID(job.agency_id), UUID(job.award_token))
