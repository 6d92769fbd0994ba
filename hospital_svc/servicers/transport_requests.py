"""TransportRequestService: read, decide, write, announce."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import transport_requests_pb2 as pb
from medport.hospital.v1 import transport_requests_pb2_grpc as rpc

from chassis import auth, ids
from chassis.clock import Clock, timestamp
from chassis.field_masks import masked, refuse_missing
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.unit_of_work import Database
from chassis.vocabulary import CancellationReason
from chassis.watching import Watching
from chassis.wire import member
from hospital_svc import audit, decisions, trip_plans, trip_reading
from hospital_svc.domain import awards as awarding
from hospital_svc.domain import cancellations, destinations, follow_ups, needs
from hospital_svc.domain import trip_tracking as tracking
from hospital_svc.domain.transport_requests import Decision
from hospital_svc.messages import transport_requests as messages
from hospital_svc.repositories import (
    agency_directory,
    awards,
    received_bids,
    transport_requests,
    trip_history,
    trip_tracking,
)
from hospital_svc.trip_watching import TripWatch


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
        async with self._database.begin(hospital_id) as uow:
            trip, seen = await trip_reading.seen(uow, hospital_id, id, self._clock())
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
        shown, token = page.cut(found, messages.newest)
        return pb.ListTransportRequestsResponse(
            transport_requests=map(messages.transport_request, shown), next_page_token=token
        )

    async def BatchGetTransportRequests(
        self, request: pb.BatchGetTransportRequestsRequest, context: object
    ) -> pb.BatchGetTransportRequestsResponse:
        hospital_id = auth.tenant(request.hospital_id)
        ids = [UUID(each) for each in request.transport_request_ids]
        rows = self._database.read(hospital_id)
        trips = await transport_requests.get_all(rows, hospital_id, ids)
        return pb.BatchGetTransportRequestsResponse(
            transport_requests=map(messages.transport_request, trips)
        )

    async def CreateTransportRequest(
        self, request: pb.CreateTransportRequestRequest, context: object
    ) -> pb.CreateTransportRequestResponse:
        hospital_id = auth.tenant(request.hospital_id)
        refuse_missing(request.transport_request, decisions.NOUN)
        async with self._database.begin(hospital_id) as uow:
            asked = trip_plans.asked(request.transport_request)
            trip = await trip_plans.request(uow, hospital_id, asked, at=self._clock())
            return uow.answered(pb.CreateTransportRequestResponse(transport_request=trip))

    async def CreateReturnTransportRequest(
        self, request: pb.CreateReturnTransportRequestRequest, context: object
    ) -> pb.CreateReturnTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        async with self._database.begin(hospital_id) as uow:
            outbound, at = await transport_requests.hold(uow, hospital_id, id), self._clock()
            back = follow_ups.way_back(outbound, messages.priority(request.priority))
            asked = back | messages.times(request)
            trip = await trip_plans.request(uow, hospital_id, asked, at=at, within="")
            return uow.answered(pb.CreateReturnTransportRequestResponse(transport_request=trip))

    async def DuplicateTransportRequest(
        self, request: pb.DuplicateTransportRequestRequest, context: object
    ) -> pb.DuplicateTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        priority, patient_id = messages.priority(request.priority), request.patient_id or None
        async with self._database.begin(hospital_id) as uow:
            first, at = await transport_requests.hold(uow, hospital_id, id), self._clock()
            asked = follow_ups.once_more(first, priority, patient_id) | messages.times(request)
            trip = await trip_plans.request(uow, hospital_id, asked, at=at, within="")
            return uow.answered(pb.DuplicateTransportRequestResponse(transport_request=trip))

    async def UpdateTransportRequest(
        self, request: pb.UpdateTransportRequestRequest, context: object
    ) -> pb.UpdateTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        given = request.transport_request
        fields = masked(given, request.update_mask, decisions.NOUN)
        changes = messages.columns(given, fields)
        async with self._database.begin(hospital_id) as uow:
            trip = await decisions.lock(uow, hospital_id, id, request.etag)
            cancellations.refuse_unless_movable(trip)
            if ends := {name: getattr(given, name) for name in fields.intersection(messages.ENDS)}:
                changes |= await trip_plans.new_ends(uow, trip, ends)
            decision = needs.revise(trip, changes, at=self._clock())
            if "patient_id" in fields:
                await transport_requests.refuse_second(uow, decision.trip)
            changed = await decisions.settle(uow, decision, fields=sorted(fields))
            return uow.answered(pb.UpdateTransportRequestResponse(transport_request=changed))

    async def DivertTransportRequest(
        self, request: pb.DivertTransportRequestRequest, context: object
    ) -> pb.DivertTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        destination, note = UUID(request.destination_facility_id), request.note or None
        async with self._database.begin(hospital_id) as uow:
            trip = await decisions.lock(uow, hospital_id, id, request.etag)
            destinations.refuse_unless_divertible(trip)
            ends = await trip_plans.elsewhere(uow, trip, destination)
            columns = {**ends, "destination_detail": request.destination_detail or None}
            by, at = audit.actor(), self._clock()
            decision = destinations.divert(trip, columns, note, by=by, at=at)
            diverted = await decisions.settle(uow, decision, destination=str(destination))
            return uow.answered(pb.DivertTransportRequestResponse(transport_request=diverted))

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
            decisions.refuse_stale(trip, request.etag)
            awarded = await decisions.settle(
                uow, decision, bid_id=str(bid.id), award_id=str(award_id)
            )
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
            trip = await decisions.lock(uow, hospital_id, id, request.etag)
            award = await awards.find(uow, hospital_id, trip.award_id)
            at, by = self._clock(), audit.actor()
            plan = await trip_plans.again(uow, trip, at=at)
            decision = cancellations.take_back(trip, award, plan, token=ids.new(), by=by, at=at)
            changed = await decisions.settle(uow, decision, award_id=str(trip.award_id))
            return uow.answered(
                pb.RevokeAwardResponse(transport_request=changed, outcome=_outcome(decision))
            )

    async def CancelTransportRequest(
        self, request: pb.CancelTransportRequestRequest, context: object
    ) -> pb.CancelTransportRequestResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        reason = member(CancellationReason, words.CancellationReason, request.reason)
        async with self._database.begin(hospital_id) as uow:
            trip = await decisions.lock(uow, hospital_id, id, request.etag)
            note, by, at = request.note or None, audit.actor(), self._clock()
            decision = cancellations.cancel(
                trip, reason=reason, note=note, token=ids.new(), by=by, at=at
            )
            changed = await decisions.settle(uow, decision, reason=reason)
            return uow.answered(
                pb.CancelTransportRequestResponse(
                    transport_request=changed, outcome=_outcome(decision)
                )
            )

    async def ListInboundTransportRequests(
        self, request: pb.ListInboundTransportRequestsRequest, context: object
    ) -> pb.ListInboundTransportRequestsResponse:
        hospital_id, page = auth.tenant(request.hospital_id), self._paging.page(request)
        statuses, facility_id = messages.inbound(request.filter)
        found = await transport_requests.list_inbound(
            self._database.read(hospital_id),
            hospital_id,
            statuses,
            facility_id,
            after=page.after,
            fetch=page.fetch,
        )
        shown, token = page.cut(found, messages.newest)
        return pb.ListInboundTransportRequestsResponse(
            transport_requests=map(messages.transport_request, shown), next_page_token=token
        )

    async def ConfirmPatientReceipt(
        self, request: pb.ConfirmPatientReceiptRequest, context: object
    ) -> pb.ConfirmPatientReceiptResponse:
        hospital_id, id = UUID(request.hospital_id), UUID(request.transport_request_id)
        async with self._database.begin(hospital_id) as uow:
            trip = await transport_requests.lock(uow, hospital_id, id)
            trip_reading.refuse_unless_destination(trip)
            by, note = audit.actor(), request.note or None
            decision = destinations.receive(trip, note, by=by, at=self._clock())
            # After the rules: whoever lost a race learns that it is done, not just changed.
            decisions.refuse_stale(trip, request.etag)
            received = await decisions.settle(uow, decision)
            return uow.answered(pb.ConfirmPatientReceiptResponse(transport_request=received))

    async def GetPatientDetails(
        self, request: pb.GetPatientDetailsRequest, context: object
    ) -> pb.GetPatientDetailsResponse:
        hospital_id, id = UUID(request.hospital_id), UUID(request.transport_request_id)
        async with self._database.begin(hospital_id) as uow:
            trip, seen = await trip_reading.patient(uow, hospital_id, id, self._clock())
            return pb.GetPatientDetailsResponse(patient_details=messages.patient(trip, seen))

    async def GetTripTracking(
        self, request: pb.GetTripTrackingRequest, context: object
    ) -> pb.GetTripTrackingResponse:
        hospital_id, id = auth.tenant(request.hospital_id), UUID(request.transport_request_id)
        rows = self._database.read(hospital_id)
        trip = await transport_requests.get(rows, hospital_id, id)
        tracking.refuse_unless_live(trip)
        fix = await trip_tracking.find(rows, hospital_id, id)
        shown = messages.trip_tracking(trip, fix, self._clock())
        return pb.GetTripTrackingResponse(trip_tracking=shown)

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
                await audit.note(
                    uow, hospital_id, decisions.NOUN, id, at=self._clock(), fields=["notes"]
                )
        steps = [messages.trip_history(each, with_notes=with_notes) for each in shown]
        return pb.ListTripHistoryResponse(trip_history=steps, next_page_token=token)

    async def WatchTransportRequests(  # type: ignore[override]  # grpc takes a writer too
        self, request: pb.WatchTransportRequestsRequest, context: Context
    ) -> None:
        rows = self._database.read(auth.tenant(request.hospital_id))
        watch = TripWatch(request, rows, context.write)
        await self._watching.watch(watch, watch.interest, request.resume_token)


def _outcome(decision: Decision) -> pb.ReleaseOutcome.ValueType:
    asked = decision.trip.is_release_asked and decision.trip.is_live
    name = "RELEASE_OUTCOME_REQUESTED" if asked else "RELEASE_OUTCOME_DONE"
    return pb.ReleaseOutcome.Value(name)
