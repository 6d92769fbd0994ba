"""Dispatchers and crews of one agency: they bid, book units, drive, and sometimes give back."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from dataclasses import dataclass

from google.type.money_pb2 import Money
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.ems.v1 import available_trips_pb2 as offers
from medport.ems.v1 import transport_bids_pb2 as bids
from medport.ems.v1 import units_pb2 as units
from medport.ems.v1.assignments_pb2_grpc import AssignmentServiceStub
from medport.ems.v1.available_trips_pb2_grpc import AvailableTripServiceStub
from medport.ems.v1.transport_bids_pb2_grpc import BidServiceStub
from medport.ems.v1.units_pb2_grpc import UnitServiceStub

from mesh.demo.callers import Caller, request_id
from mesh.demo.cast import AgencyPart
from mesh.demo.script import Scene
from mesh.demo.stage import Stage

_LOOK_AGAIN = 0.5
_LOOKS_PER_REVIEW = 10
_LINGERS = 15.0  # seconds that a trip stays open without anybody's being to blame
_STEPS = (
    words.JOB_STATUS_EN_ROUTE,
    words.JOB_STATUS_AT_PICKUP,
    words.JOB_STATUS_IN_TRANSIT,
    words.JOB_STATUS_AT_DESTINATION,
    words.JOB_STATUS_COMPLETED,
)
_BID_TOO_LATE = (
    "TRIP_NOT_OPEN", "BID_DEADLINE_PASSED", "BID_EXISTS", "AGENCY_NOT_ACTIVE", "TRIP_CHANGED",
    "NOT_FOUND",
)  # fmt: skip
_JOB_GONE = ("JOB_STATE", "JOB_NEEDS_UNIT", "ETAG_MISMATCH")


@dataclass(frozen=True)
class _Vehicle:
    id: str
    level: int
    capabilities: frozenset[int]

    def suits(self, level: int, needs: frozenset[int]) -> bool:
        return self.level >= level and needs <= self.capabilities


class Dispatch:
    """One agency's people, and its vehicles as the dispatcher sees them."""

    def __init__(self, stage: Stage, part: AgencyPart, dispatcher: Caller, crew: Caller) -> None:
        self._stage, self._part = stage, part
        self._script, self._tally = stage.script, stage.tally
        self._dispatcher, self._crew = dispatcher, crew
        self._offers = AvailableTripServiceStub(stage.channel)
        self._bids = BidServiceStub(stage.channel)
        self._jobs = AssignmentServiceStub(stage.channel)
        self._units = UnitServiceStub(stage.channel)
        self._fleet: list[_Vehicle] = []
        self._free = asyncio.Condition()
        self._busy: set[str] = set()
        self._won: set[str] = set()
        self._open: set[str] = set()
        self._tasks = asyncio.TaskGroup()

    async def work(self) -> None:
        """Follow what is offered and what was won, for as long as the day lasts."""
        await self._know_fleet()
        async with self._tasks:
            self._tasks.create_task(self._follow_offers())
            for number in itertools.count():
                await self._stage.play(self._carry_what_was_won())
                if number % _LOOKS_PER_REVIEW == 0:
                    await self._stage.play(self._review())
                await asyncio.sleep(_LOOK_AGAIN)

    async def _review(self) -> None:
        """Bid again on what nobody was given: a bid of ours may have been turned away meanwhile."""
        request = offers.ListAvailableTripsRequest(agency_id=self._part.id, page_size=1000)
        answer = await self._dispatcher.demand(self._offers.ListAvailableTrips, request)
        before = time.time() - _LINGERS
        late = [trip for trip in answer.available_trips if trip.create_time.seconds < before]
        standing = await self._bid_on() if late else set()
        for trip in late:
            if trip.id in self._open - standing:
                self._tasks.create_task(self._stage.play(self._bid(trip)))

    async def _bid_on(self) -> set[str]:
        """Return the trips on which a bid of ours waits for its answer."""
        pending = bids.BidFilter(statuses=[words.BID_STATUS_PENDING])
        request = bids.ListBidsRequest(agency_id=self._part.id, filter=pending, page_size=1000)
        answer = await self._dispatcher.demand(self._bids.ListBids, request)
        return {bid.transport_request_id for bid in answer.bids}

    async def _follow_offers(self) -> None:
        request = offers.WatchAvailableTripsRequest(agency_id=self._part.id)
        while True:
            await self._stage.play(self._watch(request))
            await asyncio.sleep(0.5)

    async def _watch(self, request: offers.WatchAvailableTripsRequest) -> None:
        """Bid on what a stream shows; each begins with all that is open."""
        self._open.clear()  # what happened while no stream ran is not known
        async for frame in self._dispatcher.stream(self._offers.WatchAvailableTrips, request):
            trip = frame.available_trip
            if trip.state != offers.AVAILABLE_TRIP_STATE_OPEN:
                self._open.discard(trip.id)
            elif trip.id not in self._open:
                self._open.add(trip.id)
                self._tasks.create_task(self._stage.play(self._bid(trip)))

    async def _know_fleet(self) -> None:
        request = units.ListUnitsRequest(agency_id=self._part.id, page_size=1000)
        answer = await self._dispatcher.demand(self._units.ListUnits, request)
        fleet = (
            _Vehicle(unit.id, unit.effective_level, frozenset(unit.capabilities))
            for unit in answer.units
        )
        self._fleet = sorted(fleet, key=lambda vehicle: vehicle.level)

    async def _bid(self, trip: offers.AvailableTrip) -> None:
        """Offer a price, soon or late; the late ones come when nobody else wanted it."""
        scene, needs = self._script.of(trip.id), frozenset(trip.required_capabilities)
        able = any(vehicle.suits(trip.transport_level, needs) for vehicle in self._fleet)
        if scene is Scene.UNWANTED or not able:
            return
        keen = random.random() < 0.4  # noqa: PLR2004, S311 - the others wait and see
        await asyncio.sleep(random.uniform(0.05, 0.6) if keen else 2.5)  # noqa: S311
        if trip.id not in self._open:
            return
        request = bids.SubmitBidRequest(
            agency_id=self._part.id,
            transport_request_id=trip.id,
            bid=bids.TransportBid(
                bid_amount=Money(currency_code="USD", units=150 + int(9 * trip.loaded_miles)),
                unit_level=trip.transport_level,
                material_version=trip.material_version,
            ),
            request_id=request_id(),
        )
        answer = await self._dispatcher.ask(self._bids.SubmitBid, request, *_BID_TOO_LATE)
        if answer is None:
            return
        self._tally.seen["bids"] += 1
        if scene is Scene.WITHDRAWN and random.random() < 0.5:  # noqa: PLR2004, S311
            await self._withdraw(answer.bid)

    async def _withdraw(self, bid: bids.TransportBid) -> None:
        """Take a bid back, which may cross the award of the same bid."""
        await asyncio.sleep(random.uniform(0.0, 0.8))  # noqa: S311
        request = bids.WithdrawBidRequest(
            agency_id=self._part.id, bid_id=bid.id, request_id=request_id()
        )
        if await self._dispatcher.ask(self._bids.WithdrawBid, request, "BID_NOT_PENDING"):
            self._tally.seen["withdrawn bids"] += 1
            self._tasks.create_task(self._stage.play(self._bid_again(bid.transport_request_id)))

    async def _bid_again(self, trip_id: str) -> None:
        """Think better of it: nobody's trip shall stay without any bid."""
        request = offers.GetAvailableTripRequest(
            agency_id=self._part.id, transport_request_id=trip_id
        )
        answer = await self._dispatcher.ask(self._offers.GetAvailableTrip, request, "NOT_FOUND")
        if answer and answer.available_trip.state == offers.AVAILABLE_TRIP_STATE_OPEN:
            self._script.cast(trip_id, Scene.PLAIN)
            self._open.add(trip_id)
            await self._bid(answer.available_trip)

    async def _carry_what_was_won(self) -> None:
        """Take on every confirmed job, also those that a broken day left behind."""
        request = jobs.ListAssignmentsRequest(
            agency_id=self._part.id,
            filter=jobs.AssignmentFilter(statuses=[words.JOB_STATUS_ACCEPTED]),
            page_size=1000,
        )
        answer = await self._dispatcher.demand(self._jobs.ListAssignments, request)
        for job in answer.assignments:
            if job.id not in self._won:
                self._won.add(job.id)
                self._tasks.create_task(self._stage.play(self._do(job)))

    async def _do(self, job: jobs.Assignment) -> None:
        vehicle = await self._take(job.transport_level, frozenset(job.required_capabilities))
        try:
            request = jobs.AssignUnitRequest(
                agency_id=self._part.id,
                assignment_id=job.id,
                unit_id=vehicle.id,
                request_id=request_id(),
            )
            booked = await self._dispatcher.ask(
                self._jobs.AssignUnit, request, *_JOB_GONE, "JOB_HAS_UNIT", "UNIT_NOT_AVAILABLE"
            )
            if booked is not None:
                await self._drive(job, vehicle)
        finally:
            async with self._free:
                self._busy.discard(vehicle.id)
                self._free.notify_all()

    async def _take(self, level: int, needs: frozenset[int]) -> _Vehicle:
        """Wait for a free vehicle that suits, the least one that does."""
        async with self._free:
            while True:
                for vehicle in self._fleet:
                    if vehicle.id not in self._busy and vehicle.suits(level, needs):
                        self._busy.add(vehicle.id)
                        return vehicle
                await self._free.wait()

    async def _drive(self, job: jobs.Assignment, vehicle: _Vehicle) -> None:
        """Report step after step; the crew does, where a crew member is logged in."""
        driver = self._crew if vehicle.id == self._part.crew_unit else self._dispatcher
        for step in _STEPS:
            await asyncio.sleep(random.uniform(0.2, 0.6))  # noqa: S311
            if step == words.JOB_STATUS_AT_PICKUP and self._script.drops(job.transport_request_id):
                await self._drop(job)
                return
            while not await self._advance(job, step, driver):
                if not await self._agree(job):
                    return  # called off on the way

    async def _advance(
        self, job: jobs.Assignment, step: words.JobStatus.ValueType, driver: Caller
    ) -> bool:
        request = jobs.AdvanceTripRequest(
            agency_id=self._part.id, assignment_id=job.id, status=step, request_id=request_id()
        )
        refusals = (*_JOB_GONE, "TRIP_CHANGED")
        return await driver.ask(self._jobs.AdvanceTrip, request, *refusals) is not None

    async def _agree(self, job: jobs.Assignment) -> bool:
        """Accept what the hospital changed on the way; False when nothing waits for that."""
        known = jobs.GetAssignmentRequest(agency_id=self._part.id, assignment_id=job.id)
        now = (await self._dispatcher.demand(self._jobs.GetAssignment, known)).assignment
        is_agreed = now.confirmed_material_version == now.material_version
        if is_agreed or now.HasField("release_time"):
            return False
        request = jobs.AcceptTripChangeRequest(
            agency_id=self._part.id,
            assignment_id=job.id,
            material_version=now.material_version,
            request_id=request_id(),
        )
        refusals = (*_JOB_GONE, "TRIP_CHANGED")
        await self._dispatcher.ask(self._jobs.AcceptTripChange, request, *refusals)
        return True

    async def _drop(self, job: jobs.Assignment) -> None:
        request = jobs.DropTripRequest(
            agency_id=self._part.id,
            assignment_id=job.id,
            reason=jobs.DROP_REASON_UNIT_BREAKDOWN,
            request_id=request_id(),
        )
        if await self._dispatcher.ask(self._jobs.DropTrip, request, *_JOB_GONE):
            self._tally.seen["dropped"] += 1
