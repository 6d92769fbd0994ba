"""Follows the agencies' jobs: EMS's answers to awards, and what physically happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message
from medport.ems.events.v1 import assignments_pb2 as ems

from chassis.clock import utc_now
from chassis.projection import Received
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import BidStatus, TripStatus
from hospital_svc import decisions, notices, trip_plans
from hospital_svc.domain import awards as awarding
from hospital_svc.domain import cancellations, trip_progress
from hospital_svc.domain.awards import Award
from hospital_svc.domain.events import TripConflictDetected
from hospital_svc.domain.transport_requests import Actor, Decision, Step, TransportRequest
from hospital_svc.messages import jobs as messages
from hospital_svc.repositories import (
    awards,
    notifications,
    received_bids,
    transport_requests,
    trip_history,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A trip whose row is held, the award that EMS speaks of, who did it, and when we heard."""

    trip: TransportRequest
    award: Award
    by: Actor
    at: datetime


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one, or one about an award of before, changes nothing."""
    answer = messages.answer(event.payload)
    if answer is None:
        return
    await uow.use_tenant(answer.hospital_id)
    trip = await transport_requests.lock_known(uow, answer.hospital_id, answer.trip_id)
    award = await awards.find(uow, answer.hospital_id, answer.award_token)
    if trip is None or award is None or award.transport_request_id != trip.id:
        return
    heard = Heard(trip=trip, award=award, by=messages.actor(event.metadata), at=utc_now())
    decision = await _decide(uow, heard, event.payload)
    if decision is not None:
        await decisions.write(uow, decision)
        await _tell(uow, decision.trip, award, event)
        await _warn(uow, decision, event)
    await _follow(uow, heard, event.payload)


async def _decide(uow: UnitOfWork, heard: Heard, payload: Message) -> Decision | None:
    trip, award, at = heard.trip, heard.award, heard.at
    match payload:
        case ems.AwardConfirmed():
            accepted_at = messages.moment(payload.accept_time, at)
            return awarding.confirm(trip, award, accepted_at=accepted_at, by=heard.by, at=at)
        case ems.TripAdvanced():
            return await _advance(uow, trip, award, messages.news(payload, by=heard.by, at=at))
        case ems.UnitAssigned() | ems.UnitUnassigned():
            unit = messages.unit(payload)
            return trip_progress.show_unit(trip, award_token=award.id, **unit, at=at)
        case ems.TripEtaChanged():
            eta = messages.expected(payload, at)
            return trip_progress.expect(trip, award_token=award.id, **eta, at=at)
        case ems.CancellationRefused():
            return cancellations.refused(trip, cancel_token=UUID(payload.cancel_token), at=at)
    return await _free(uow, heard, payload)


async def _free(uow: UnitOfWork, heard: Heard, payload: Message) -> Decision | None:
    """Decide about a trip that its agency lets go: it needs a plan of offers."""
    trip, award, by, at = heard.trip, heard.award, heard.by, heard.at
    plan = await trip_plans.again(uow, trip, at=at)
    match payload:
        case ems.AwardDeclined():
            why = messages.code(payload.reason)
            return awarding.decline(trip, award, plan, reason=why, by=by, at=at)
        case ems.TripDropped():
            why = messages.code(payload.reason)
            return trip_progress.drop(trip, award, plan, reason=why, by=by, at=at)
        case ems.CancellationConfirmed():
            token = UUID(payload.cancel_token)
            return cancellations.released(trip, award, plan, cancel_token=token, by=by, at=at)
    return None


async def _advance(
    uow: UnitOfWork, trip: TransportRequest, award: Award, news: trip_progress.News
) -> Decision | None:
    decision = trip_progress.advance(trip, award, news)
    overtaken = decision is not None and trip.is_live and trip.award_id not in {None, award.id}
    if decision is None or not overtaken:
        return decision
    loser = await awards.find(uow, trip.hospital_id, trip.award_id)
    return decision if loser is None else trip_progress.losing(decision, loser, news.at)


async def _follow(uow: UnitOfWork, heard: Heard, payload: Message) -> None:
    """Note what concerns other rows than the trip's."""
    trip = heard.trip
    match payload:
        case ems.AwardConfirmed():
            await received_bids.close(
                uow,
                trip.hospital_id,
                UUID(payload.bid_id),
                status=BidStatus.ACCEPTED,
                bid_version=payload.bid_version,
            )
        case ems.TripChangeAccepted():
            step = Step(status=trip.status, occurred_at=heard.at, actor=heard.by)
            await trip_history.add_once(uow, trip, step)


async def _tell(uow: UnitOfWork, trip: TransportRequest, award: Award, event: Received) -> None:
    """Tell who asked for the trip whether the agency they chose carries it out."""
    match event.payload:
        case ems.AwardConfirmed():
            template_name = "trip_accepted"
        case ems.AwardDeclined() | ems.TripDropped() if trip.status is TripStatus.PENDING:
            template_name = "trip_reopened"
        case _:
            return
    agency_name = await notifications.agency_name(uow, award.agency_id)
    await notices.tell(uow, trip, template_name, UUID(event.metadata.id), agency_name=agency_name)


async def _warn(uow: UnitOfWork, decision: Decision, event: Received) -> None:
    """Tell the hospital of news that do not fit what it decided: people have to look at it."""
    for each in decision.events:
        if isinstance(each, TripConflictDetected):
            told = {"conflict_kind": each.kind.replace("_", " ").lower()}
            source = UUID(event.metadata.id)
            await notices.tell(
                uow, decision.trip, "trip_conflict", source, with_admins=True, **told
            )
