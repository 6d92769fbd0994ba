"""AssignmentService: the jobs that an agency has won, and how they go."""

from __future__ import annotations

from uuid import UUID

from medport.common.v1 import vocabulary_pb2
from medport.ems.v1 import assignments_pb2 as pb
from medport.ems.v1 import assignments_pb2_grpc as rpc

from chassis import auth
from chassis.clock import Clock
from chassis.interceptors.guards import Context
from chassis.paging import Paging
from chassis.unit_of_work import Database, UnitOfWork
from chassis.vocabulary import BidStatus, JobStatus
from chassis.watching import Watching
from chassis.wire import any_of, member
from ems_svc.domain import awards as rules
from ems_svc.domain.assignments import Assignment
from ems_svc.domain.events import TripDropped, UnitStatusChanged
from ems_svc.domain.offered_trips import OfferedTrip, OfferState
from ems_svc.domain.transport_bids import TransportBid
from ems_svc.live_watching import AssignmentWatch
from ems_svc.messages import assignments as messages
from ems_svc.messages import words
from ems_svc.messages.announcements import announce
from ems_svc.repositories import (
    agencies,
    assignments,
    audit_entries,
    awards,
    crews,
    offered_trips,
    tracking,
    transport_bids,
    unit_availability,
    units,
)

NOUN = "assignment"
NO_UNIT = UUID(int=0)  # what a crew finds under another unit's id: nothing


class AssignmentServicer(rpc.AssignmentServiceServicer):
    def __init__(
        self, database: Database, clock: Clock, paging: Paging, watching: Watching
    ) -> None:
        self._database = database
        self._clock = clock
        self._paging = paging
        self._watching = watching

    async def GetAssignment(
        self, request: pb.GetAssignmentRequest, context: object
    ) -> pb.GetAssignmentResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.assignment_id)
        rows = self._database.read(agency_id)
        job = await assignments.get(rows, agency_id, id)
        _must_crew(job, await crews.own_unit(rows, agency_id))
        return pb.GetAssignmentResponse(assignment=messages.assignment(job))

    async def ListAssignments(
        self, request: pb.ListAssignmentsRequest, context: object
    ) -> pb.ListAssignmentsResponse:
        agency_id, page = auth.tenant(request.agency_id), self._paging.page(request)
        rows, given = self._database.read(agency_id), request.filter
        asked, own = words.optional_id(given.unit_id), await crews.own_unit(rows, agency_id)
        found = await assignments.list_newest(
            rows,
            agency_id,
            statuses=any_of(JobStatus, vocabulary_pb2.JobStatus, given.statuses),
            transport_request_id=words.optional_id(given.transport_request_id),
            unit_id=asked if own is None else own if asked in (None, own) else NO_UNIT,
            before=UUID(page.after[0]) if page.after else transport_bids.NEWEST,
            limit=page.fetch,
        )
        shown, token = page.cut(found, lambda job: (job.id,))
        jobs = [messages.assignment(job) for job in shown]
        return pb.ListAssignmentsResponse(assignments=jobs, next_page_token=token)

    async def AssignUnit(
        self, request: pb.AssignUnitRequest, context: object
    ) -> pb.AssignUnitResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        id, unit_id = UUID(request.assignment_id), UUID(request.unit_id)

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            words.must_match(request.etag, job.row_version)
            job.must_want_unit()
            unit = await units.book(uow, job, unit_id, now)
            job, assigned = job.assign(unit, now)
            job, expected = await tracking.depart(uow, job, now)
            await assignments.save(uow, job)
            audited = await audit_entries.record(uow, agency_id, NOUN, id, unit_id=unit_id)
            announce(uow, [assigned, UnitStatusChanged(unit, now), *expected, audited])
            return uow.answered(pb.AssignUnitResponse(assignment=messages.assignment(job)))

    async def UnassignUnit(
        self, request: pb.UnassignUnitRequest, context: object
    ) -> pb.UnassignUnitResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.assignment_id)

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            words.must_match(request.etag, job.row_version)
            unit = await units.lock(uow, agency_id, job.must_have_unit())
            job, unit, events = job.unassign(unit, self._clock())
            await assignments.save(uow, job)
            await units.save(uow, unit)
            audited = await audit_entries.record(uow, agency_id, NOUN, id, unit_id=unit.id)
            announce(uow, [*events, audited])
            return uow.answered(pb.UnassignUnitResponse(assignment=messages.assignment(job)))

    async def SwapUnit(self, request: pb.SwapUnitRequest, context: object) -> pb.SwapUnitResponse:
        agency_id, now = auth.tenant(request.agency_id), self._clock()
        id, unit_id = UUID(request.assignment_id), UUID(request.unit_id)

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            words.must_match(request.etag, job.row_version)
            broken, booked = await units.relieve(uow, job, unit_id, now)
            job, old, new, events = job.swap(broken, booked, now)
            job, expected = await tracking.depart(uow, job, now)
            await assignments.save(uow, job)
            for unit in (new, old):
                await units.save(uow, unit)
            await unit_availability.turn(uow, old, request.notes or None, now)
            known = {"unit_id": unit_id, "out_of_service": old.id}
            audited = await audit_entries.record(uow, agency_id, NOUN, id, **known)
            announce(uow, [*events, *expected, audited])
            return uow.answered(pb.SwapUnitResponse(assignment=messages.assignment(job)))

    async def AcceptTripChange(
        self, request: pb.AcceptTripChangeRequest, context: object
    ) -> pb.AcceptTripChangeResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.assignment_id)
        version = request.material_version

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            words.must_match(request.etag, job.row_version)
            unit = await units.lock(uow, agency_id, job.unit_id) if job.unit_id else None
            job, events = job.accept_change(version, unit, self._clock())
            await assignments.save(uow, job)
            known = {"material_version": version}
            audited = await audit_entries.record(uow, agency_id, NOUN, id, **known)
            announce(uow, [*events, audited])
            return uow.answered(pb.AcceptTripChangeResponse(assignment=messages.assignment(job)))

    async def PlanUnit(self, request: pb.PlanUnitRequest, context: object) -> pb.PlanUnitResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.assignment_id)
        unit_id, start_at = words.optional_id(request.unit_id), messages.planned_start(request)

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            words.must_match(request.etag, job.row_version)
            unit = await units.get(uow, agency_id, unit_id) if unit_id else None
            job = job.plan(unit, start_at)
            await assignments.save(uow, job)
            announce(uow, [await audit_entries.record(uow, agency_id, NOUN, id, planned=unit_id)])
            return uow.answered(pb.PlanUnitResponse(assignment=messages.assignment(job)))

    async def ReportEta(
        self, request: pb.ReportEtaRequest, context: object
    ) -> pb.ReportEtaResponse:
        agency_id, id, now = (
            auth.tenant(request.agency_id),
            UUID(request.assignment_id),
            self._clock(),
        )
        expected = messages.expected(request)

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            _must_crew(job, await crews.own_unit(uow, agency_id))
            words.must_match(request.etag, job.row_version)
            job, told = job.report(*expected, now)
            await assignments.save(uow, job)
            answer = messages.assignment(job)
            known = {"fields": ["eta_destination_time", "eta_pickup_time"]}
            announce(uow, [*told, await audit_entries.record(uow, agency_id, NOUN, id, **known)])
            return uow.answered(pb.ReportEtaResponse(assignment=answer, is_announced=bool(told)))

    async def AdvanceTrip(
        self, request: pb.AdvanceTripRequest, context: object
    ) -> pb.AdvanceTripResponse:
        agency_id, id, now = (
            auth.tenant(request.agency_id),
            UUID(request.assignment_id),
            self._clock(),
        )
        status = member(JobStatus, vocabulary_pb2.JobStatus, request.status)

        async with self._database.begin(agency_id) as uow:
            job = await assignments.lock(uow, agency_id, id)
            _must_crew(job, await crews.own_unit(uow, agency_id))
            words.must_match(request.etag, job.row_version)
            job.steps_to(status)  # a move that is impossible anyhow is refused as such
            unit = await units.lock(uow, agency_id, job.must_have_unit())
            job, unit, events = job.advance(status, unit, now)
            job, expected = await tracking.proceed(uow, job, now) if events else (job, [])
            await assignments.save(uow, job)
            await units.save(uow, unit)
            audited = await audit_entries.record(uow, agency_id, NOUN, id, status=status)
            announce(uow, [*events, *expected, audited])
            return uow.answered(pb.AdvanceTripResponse(assignment=messages.assignment(job)))

    async def DropTrip(self, request: pb.DropTripRequest, context: object) -> pb.DropTripResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.assignment_id)
        reason = pb.DropReason.Name(request.reason).removeprefix("DROP_REASON_")

        async with self._database.begin(agency_id) as uow:
            known = await assignments.get(uow, agency_id, id)
            trip = await offered_trips.lock(uow, known.hospital_id, known.transport_request_id)
            job = await assignments.lock(uow, agency_id, id)
            words.must_match(request.etag, job.row_version)
            held = await awards.hold(uow, trip, job)
            outcome = rules.end(held, JobStatus.DROPPED, reason, self._clock())
            await awards.end(uow, outcome)
            audited = await audit_entries.record(uow, agency_id, NOUN, id, reason=reason)
            announce(uow, [TripDropped(outcome.job, reason), *outcome.events, audited])
            return uow.answered(pb.DropTripResponse(assignment=messages.assignment(outcome.job)))

    async def WatchAssignments(  # type: ignore[override]  # grpc takes a writer too
        self, request: pb.WatchAssignmentsRequest, context: Context
    ) -> None:
        rows = self._database.read(auth.tenant(request.agency_id))
        watch = AssignmentWatch(request.agency_id, rows, context.write)
        await self._watching.watch(watch, watch.interest, request.resume_token)

    async def ConfirmAward(
        self, request: pb.ConfirmAwardRequest, context: object
    ) -> pb.ConfirmAwardResponse:
        agency_id, id, now = auth.tenant(request.agency_id), UUID(request.bid_id), self._clock()

        async with self._database.begin(agency_id) as uow:
            trip, bid = await _waiting(uow, agency_id, id, UUID(request.award_token))
            award = rules.Award.of(trip, bid)
            agency = await agencies.get(uow, agency_id)
            reason = rules.objection(award, trip=trip, agency=agency, bid=bid, aboard=False, at=now)
            if reason is not None:
                raise rules.REFUSALS[reason](f"the award cannot be kept: {reason}", state=reason)
            outcome = await awards.confirm(uow, trip, bid, award, now)
            events = await awards.settle(uow, outcome, now)
            audited = await audit_entries.record(uow, agency_id, NOUN, outcome.job.id, bid_id=id)
            announce(uow, [*events, audited])
            return uow.answered(
                pb.ConfirmAwardResponse(assignment=messages.assignment(outcome.job))
            )

    async def DeclineAward(
        self, request: pb.DeclineAwardRequest, context: object
    ) -> pb.DeclineAwardResponse:
        agency_id, id = auth.tenant(request.agency_id), UUID(request.bid_id)

        async with self._database.begin(agency_id) as uow:
            trip, bid = await _waiting(uow, agency_id, id, UUID(request.award_token))
            declined = rules.decline(trip, rules.Award.of(trip, bid), "DECLINED_BY_AGENCY")
            withdrawn, closed = bid.close(BidStatus.WITHDRAWN, self._clock())
            await offered_trips.save(uow, trip.without_award(OfferState.CLOSED))
            await transport_bids.save(uow, withdrawn)
            known = {"status": withdrawn.status}
            audited = await audit_entries.record(uow, agency_id, "transport_bid", id, **known)
            announce(uow, [declined, closed, audited])
            return uow.answered(pb.DeclineAwardResponse())


async def _waiting(
    uow: UnitOfWork, agency_id: UUID, bid_id: UUID, award_token: UUID
) -> tuple[OfferedTrip, TransportBid]:
    """Lock the trip and the bid of an award that waits for the agency's answer."""
    known = await transport_bids.get(uow, agency_id, bid_id)
    trip = await offered_trips.lock(uow, known.hospital_id, known.transport_request_id)
    bid = await transport_bids.lock(uow, agency_id, bid_id)
    return rules.waiting(trip, bid, award_token), bid


def _must_crew(job: Assignment, own_unit: UUID | None) -> None:
    """Refuse a crew another unit's job, as if there were none."""
    assignments.found(job if own_unit in (None, job.unit_id) else None, job.id)
