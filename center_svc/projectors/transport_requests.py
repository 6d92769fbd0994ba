"""Follows the hospital's trips: folds them into facts and service levels, and keeps incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import transport_requests_pb2 as pb

from center_svc.domain import sla_timers as levels
from center_svc.domain.sla_timers import CLEARED_BY, SlaKind
from center_svc.domain.trip_facts import REACHED
from center_svc.messages import facts
from center_svc.repositories import (
    audit_log,
    bid_facts,
    notifications,
    sla_timers,
    trip_facts,
)
from chassis.clock import instant, utc_now
from chassis.notification_rows import Notice
from chassis.projection import Received
from chassis.sql import columns
from chassis.unit_of_work import UnitOfWork
from chassis.vocabulary import CancellationReason, TripStatus
from chassis.wire import member


async def project(uow: UnitOfWork, event: Received) -> None:
    """Apply one event; a redelivered one changes nothing."""
    known = event.payload.DESCRIPTOR.fields_by_name.get("trip")
    if known is None or known.message_type is not pb.TripRef.DESCRIPTOR:
        return
    payload: Any = event.payload
    trip = Trip(uow, payload.trip, event.metadata.subject_version, instant(event.metadata.time))
    await trip.fold(payload)


async def keep_incident(uow: UnitOfWork, event: Received) -> None:
    """Keep what does not fit between the silos, and tell administrators; a repeat does nothing."""
    if not isinstance(event.payload, pb.TripConflictDetected):
        return
    told = Notice(
        template_name="trip_incident",
        variables={
            "transport_request_id": event.payload.trip.transport_request_id,
            "conflict_kind": facts.conflict_kind(event.payload).replace("_", " ").lower(),
        },
        source_event_id=UUID(event.metadata.id),
    )
    recipients = await notifications.administrators(uow)
    await notifications.rows.queue(uow, told, tenant=None, recipients=recipients, at=utc_now())
    await audit_log.add(uow, facts.incident(event.payload, event.metadata))


class Trip:
    """One event's trip: where its effects go, and as of which version and moment."""

    def __init__(self, uow: UnitOfWork, ref: pb.TripRef, version: int, at: datetime) -> None:
        self._uow = uow
        self._key = facts.trip_key(ref)
        self._version = version
        self._at = at

    async def fold(self, payload: object) -> None:
        match payload:
            case pb.TransportRequestCreated():
                await self._created(payload)
            case pb.TransportRequestUpdated():
                await self._updated(payload)
            case pb.TransportRequestAwarded():
                await self._awarded(payload)
            case pb.TransportRequestReopened():
                await self._reopened(payload)
            case pb.TransportRequestProgressed():
                await self._progressed(payload)
            case pb.CancellationRequested():
                if await self._apply(trip_facts.NOTE):
                    await self._expect(levels.cancellation_requested(self._at))
            case _:
                await self._end(payload)

    async def _end(self, payload: object) -> None:
        match payload:
            case pb.TransportRequestCancelled():
                await self._cancelled(payload)
            case pb.TransportRequestExpired():
                at = self._moment(payload.expire_time)
                if await self._apply(trip_facts.EXPIRE, at=at):
                    await self._clear(TripStatus.EXPIRED, at)
            case pb.TransportRequestCompleted():
                await self._completed(payload)
            case _:
                await self._apply(trip_facts.NOTE)

    async def _created(self, payload: pb.TransportRequestCreated) -> None:
        at = self._moment(payload.request_time)
        need = facts.trip_need(payload.need)
        if not await trip_facts.create(self._uow, self._key, self._version, need, at):
            return
        first_bid_at = await trip_facts.first_bid_at(self._uow, self._key)
        latest_pickup_at = instant(payload.need.latest_pickup_time)
        for expected in levels.requested(at, instant(payload.offer_expire_time), latest_pickup_at):
            is_met = expected.kind is SlaKind.FIRST_BID
            await self._expect(expected, cleared_at=first_bid_at if is_met else None)

    async def _updated(self, payload: pb.TransportRequestUpdated) -> None:
        need = facts.trip_need(payload.need)
        if await self._apply(trip_facts.CHANGE, **columns(need)):
            await self._reschedule(SlaKind.ARRIVED_PICKUP, instant(payload.need.latest_pickup_time))
            if (offered_at := await sla_timers.offered_at(self._uow, self._key)) is not None:
                bid = levels.offered(offered_at, instant(payload.offer_expire_time))
                await self._reschedule(bid.kind, bid.due_at)

    async def _reopened(self, payload: pb.TransportRequestReopened) -> None:
        if not await self._apply(trip_facts.REOPEN):
            return
        await self._clear(TripStatus.PENDING, self._at)
        await sla_timers.resume(self._uow, self._key)
        first_bid_at = await bid_facts.first_at(self._uow, self._key, self._at)
        expected = levels.offered(self._at, instant(payload.offer_expire_time))
        await self._expect(expected, cleared_at=first_bid_at)

    async def _awarded(self, payload: pb.TransportRequestAwarded) -> None:
        agency_id = UUID(payload.agency_id)
        if await self._apply(trip_facts.AWARD, agency_id=agency_id, at=self._at):
            await self._clear(TripStatus.AWARDED, self._at)
            await self._expect(levels.awarded(self._at))

    async def _progressed(self, payload: pb.TransportRequestProgressed) -> None:
        status = member(TripStatus, words.TripStatus, payload.status)
        if status not in REACHED:
            await self._apply(trip_facts.NOTE)
            return
        agency_id = UUID(payload.agency_id) if payload.agency_id else None
        at = self._moment(payload.occur_time)
        if await self._apply(trip_facts.REACH[status], agency_id=agency_id, at=at):
            await self._clear(status, at)
            if status is TripStatus.ACCEPTED:
                await self._expect(levels.accepted(at))

    async def _cancelled(self, payload: pb.TransportRequestCancelled) -> None:
        reason = member(CancellationReason, words.CancellationReason, payload.reason)
        at = self._moment(payload.cancel_time)
        if await self._apply(trip_facts.CANCEL, at=at, reason=reason):
            await self._clear(TripStatus.CANCELLED, at)

    async def _completed(self, payload: pb.TransportRequestCompleted) -> None:
        agency_id, times = UUID(payload.agency_id), facts.trip_times(payload.times)
        if await self._apply(trip_facts.COMPLETE, agency_id=agency_id, **times):
            at = self._moment(payload.times.complete_time)
            await self._clear(TripStatus.COMPLETED, at)

    async def _apply(self, statement: trip_facts.Change, **parameters: object) -> bool:
        return await trip_facts.apply(self._uow, statement, self._key, self._version, **parameters)

    async def _expect(
        self, expected: levels.Expectation, cleared_at: datetime | None = None
    ) -> None:
        await sla_timers.expect(self._uow, self._key, expected, cleared_at)

    async def _reschedule(self, kind: SlaKind, due_at: datetime) -> None:
        await sla_timers.reschedule(self._uow, self._key, kind, due_at, at=self._at)

    async def _clear(self, status: TripStatus, at: datetime) -> None:
        """Stop what the status leaves nothing to wait for; it was reached ``at``.

        That is when it happened, not when the hospital heard of it. The crew's clock may be
        ahead, but what was announced has happened.
        """
        await sla_timers.clear(self._uow, self._key, CLEARED_BY[status], min(at, self._at))

    def _moment(self, given: Timestamp) -> datetime:
        """Return when it happened; when it was announced, if the event does not say."""
        return instant(given) if given.ByteSize() else self._at
