"""TransportRequestService: read, decide, write, announce."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb
from medport.hospital.v1 import transport_requests_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock, timestamp
from chassis.errors import EtagMismatch
from chassis.field_masks import masked, refuse_missing
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import CancellationReason
from chassis.watching import Watching
from chassis.wire import member
from hospital_svc import audit, decisions, trip_plans, trip_reading
from hospital_svc.domain import awards as awarding
from hospital_svc.domain import cancellations, needs
from hospital_svc.domain.transport_requests import Decision, TransportRequest
from hospital_svc.messages import transport_requests as messages
from hospital_svc.repositories import (
    agency_directory,
    awards,
    received_bids,
    transport_requests,
    trip_history,
)
from hospital_svc.trip_watching import TripWatch

NOUN = "transport_request"


class TransportRequestServicer(rpc.TransportRequestServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, watching: Watching
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._watching = watching

    async def GetTransportRequest(
        self, request: pb.GetTransportRequestRequest, context: object
    ) -> pb.GetTransportRequestResponse:
        hospital_id, id = UUID(request.hospital_id), UUID(request.transport_request_id)
        viewer = trip_reading.viewer(hospital_id)
        async with self._database.begin(hospital_id) as uow:
            trip = await transport_requests.get(uow, hospital_id, id)
            seen = viewer.sees(trip, self._clock())
            if seen:
                shown = sorted(seen)
                await audit.note(uow, hospital_id, NOUN, id, at=self._clock(), fields=shown)
            return pb.GetTransportRequestResponse(
                transport_request=messages.transport_request(trip, seen)
            )

    async def ListTransportRequests(
        self, request: pb.ListTransportRequestsRequest, context: object
    ) -> pb.ListTransportRequestsResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        rows, wanted = self._database.read(hospital_id), messages.wanted(request.filter)
        found = await transport_requests.list_newest(
            rows, hospital_id, wanted, after=page.after, fetch=page.fetch
        )
        shown, token = page.cut(found, lambda each: [each.requested_at.isoformat(), each.id])
        return pb.ListTransportRequestsResponse(
            transport_requests=map(messages.transport_request, shown), next_page_token=token
        )

    async def CreateTransportRequest(
        self, request: pb.CreateTransportRequestRequest, context: object
    ) -> pb.CreateTransportRequestResponse:
        hospital_id = auth.tenant(request.hospital_id)
        refuse_missing(request.transport_request, NOUN)
        async with self._database.begin(hospital_id) as uow:
            await trip_plans.refuse_unless_active(uow, hospital_id)
            ends = await trip_plans.ends(uow, hospital_id, request.transport_request)
            at, creator = self._clock(), auth.caller().user_id
            trip, plan = await trip_plans.new(
                uow, hospital_id, request.transport_request, ends, created_by_id=creator, at=at
            )
            await decisions.write_new(uow, needs.request(trip, plan, by=audit.actor()))
            await audit.note(uow, hospital_id, NOUN, trip.id, at=at)
            return uow.answered(
                pb.CreateTransportRequestResponse(
                    transport_request=messages.transport_request(trip)
                )
            )

    async def UpdateTransportRequest(
        self, request: pb.UpdateTransportRequestRequest, context: object
    ) -> pb.UpdateTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        given = request.transport_request
        fields = masked(given, request.update_mask, NOUN)
        changes = messages.columns(given, fields)
        async with self._database.begin(hospital_id) as uow:
            trip = await _lock(uow, hospital_id, id, request.etag)
            cancellations.refuse_unless_movable(trip)
            if not fields.isdisjoint(messages.ENDS):
                changes |= await trip_plans.new_ends(uow, trip, given, fields)
            decision = needs.revise(trip, changes, at=self._clock())
            if "patient_id" in fields:
                await transport_requests.refuse_second(uow, decision.trip)
            changed = await _write(uow, decision, fields=sorted(fields))
            return uow.answered(pb.UpdateTransportRequestResponse(transport_request=changed))

    async def AwardTransportRequest(
        self, request: pb.AwardTransportRequestRequest, context: object
    ) -> pb.AwardTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        async with self._database.begin(hospital_id) as uow:
            trip = await transport_requests.lock(uow, hospital_id, id)
            bid = await received_bids.get(uow, hospital_id, UUID(request.bid_id))
            agency = await agency_directory.standing(uow, bid.agency_id)
            award_id, by, at = ids.new(), audit.actor(), self._clock()
            decision = awarding.give(trip, bid, agency, award_id=award_id, by=by, at=at)
            # After the rules: whoever lost a race learns that the trip is gone, not just changed.
            _refuse_stale(trip, request.etag)
            awarded = await _write(uow, decision, bid_id=str(bid.id), award_id=str(award_id))
            deadline = timestamp(decision.awards[0].confirm_deadline_at)
            return uow.answered(
                pb.AwardTransportRequestResponse(
                    transport_request=awarded, confirm_deadline_time=deadline
                )
            )

    async def RevokeAward(
        self, request: pb.RevokeAwardRequest, context: object
    ) -> pb.RevokeAwardResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        async with self._database.begin(hospital_id) as uow:
            trip = await _lock(uow, hospital_id, id, request.etag)
            award = await awards.find(uow, hospital_id, trip.award_id)
            at, by = self._clock(), audit.actor()
            plan = await trip_plans.again(uow, trip, at=at)
            decision = cancellations.take_back(trip, award, plan, token=ids.new(), by=by, at=at)
            changed = await _write(uow, decision, award_id=str(trip.award_id))
            return uow.answered(
                pb.RevokeAwardResponse(transport_request=changed, outcome=_outcome(decision))
            )

    async def CancelTransportRequest(
        self, request: pb.CancelTransportRequestRequest, context: object
    ) -> pb.CancelTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        reason = member(CancellationReason, words.CancellationReason, request.reason)
        async with self._database.begin(hospital_id) as uow:
            trip = await _lock(uow, hospital_id, id, request.etag)
            note, by, at = request.note or None, audit.actor(), self._clock()
            decision = cancellations.cancel(
                trip, reason=reason, note=note, token=ids.new(), by=by, at=at
            )
            changed = await _write(uow, decision, reason=reason)
            return uow.answered(
                pb.CancelTransportRequestResponse(
                    transport_request=changed, outcome=_outcome(decision)
                )
            )

    async def ListTripHistory(
        self, request: pb.ListTripHistoryRequest, context: object
    ) -> pb.ListTripHistoryResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        id, with_notes = UUID(request.transport_request_id), "OWN_TENANT" in auth.scopes()
        async with self._database.begin(hospital_id) as uow:
            await transport_requests.get(uow, hospital_id, id)
            found = await trip_history.list_of(
                uow, hospital_id, id, after=page.after, fetch=page.fetch
            )
            shown, token = page.cut(found, lambda each: [each.sequence])
            if with_notes and any(each.notes for each in shown):
                await audit.note(uow, hospital_id, NOUN, id, at=self._clock(), fields=["notes"])
        steps = [messages.trip_history(each, with_notes=with_notes) for each in shown]
        return pb.ListTripHistoryResponse(trip_history=steps, next_page_token=token)

    async def WatchTransportRequests(  # type: ignore[override]  # grpc takes a writer too
        self, request: pb.WatchTransportRequestsRequest, context: Context
    ) -> None:
        rows = self._database.read(auth.tenant(request.hospital_id))
        watch = TripWatch(request, rows, context.write)
        await self._watching.watch(watch, watch.interest, request.resume_token)


async def _lock(uow: UnitOfWork, hospital_id: UUID, id: UUID, etag: str) -> TransportRequest:
    trip = await transport_requests.lock(uow, hospital_id, id)
    _refuse_stale(trip, etag)
    return trip


def _refuse_stale(trip: TransportRequest, etag: str) -> None:
    if etag not in {"", str(trip.row_version)}:
        raise EtagMismatch


async def _write(uow: UnitOfWork, decision: Decision, **changes: object) -> pb.TransportRequest:
    """Write what was decided, and the trail of it; return the trip as it now stands."""
    trip = decision.trip
    await decisions.write(uow, decision)
    known = {"status": trip.status, **changes}
    await audit.note(uow, trip.hospital_id, NOUN, trip.id, at=trip.updated_at, **known)
    return messages.transport_request(trip)


def _outcome(decision: Decision) -> pb.ReleaseOutcome.ValueType:
    asked = decision.trip.is_release_asked and decision.trip.is_live
    name = "RELEASE_OUTCOME_REQUESTED" if asked else "RELEASE_OUTCOME_DONE"
    return pb.ReleaseOutcome.Value(name)
