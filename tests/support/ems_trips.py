"""A trip on its way through EMS: offered, bid on, awarded, assigned, moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.v1 import assignments_pb2 as jobs
from medport.ems.v1 import available_trips_pb2 as trips
from medport.ems.v1 import transport_bids_pb2 as bids

from tests.support.ems_silo import Agency, EmsSilo, Metadata
from tests.support.hospital_news import Trip


@dataclass
class Run:
    """One agency's run at one trip."""

    agency: Agency
    trip: Trip = field(default_factory=Trip)

    @property
    def silo(self) -> EmsSilo:
        return self.agency.silo

    async def offer(self, **changes: Any) -> None:
        await self.silo.hear(*self.trip.facilities(), self.trip.created(**changes))

    async def listed(
        self, *states: trips.AvailableTripState.ValueType
    ) -> list[trips.AvailableTrip]:
        request = trips.ListAvailableTripsRequest(
            agency_id=str(self.agency.id), filter=trips.AvailableTripFilter(states=states)
        )
        answer = await self.silo.trips.ListAvailableTrips(request, metadata=self.agency.dispatcher)
        return list(answer.available_trips)

    def terms(self, **changes: Any) -> bids.TransportBid:
        known: dict[str, Any] = {
            "bid_amount": {"currency_code": "USD", "units": 618, "nanos": 440_000_000},
            "unit_level": words.TRANSPORT_LEVEL_ALS,
            "material_version": self.trip.material_version,
        }
        return bids.TransportBid(**(known | changes))

    def submission(self, **changes: Any) -> bids.SubmitBidRequest:
        return bids.SubmitBidRequest(
            transport_request_id=self.trip.id, bid=self.terms(**changes), **self.agency.own
        )

    async def bid(self, **changes: Any) -> bids.TransportBid:
        request = self.submission(**changes)
        return (await self.silo.bids.SubmitBid(request, metadata=self.agency.dispatcher)).bid

    async def get_bid(self, id: str) -> bids.TransportBid:
        request = bids.GetBidRequest(agency_id=str(self.agency.id), bid_id=id)
        return (await self.silo.bids.GetBid(request, metadata=self.agency.dispatcher)).bid

    async def won(self) -> jobs.Assignment:
        """Offer, bid and award; return the job that came of it."""
        await self.offer()
        bid = await self.bid()
        await self.silo.hear(self.trip.awarded(bid.id, self.agency.id))
        return await self.job()

    async def job(self) -> jobs.Assignment:
        request = jobs.ListAssignmentsRequest(
            agency_id=str(self.agency.id),
            filter=jobs.AssignmentFilter(transport_request_id=self.trip.id),
        )
        answer = await self.silo.jobs.ListAssignments(request, metadata=self.agency.dispatcher)
        return answer.assignments[0]

    def assign(self, job: jobs.Assignment, unit_id: str) -> Any:
        request = jobs.AssignUnitRequest(assignment_id=job.id, unit_id=unit_id, **self.agency.own)
        return self.silo.jobs.AssignUnit(request, metadata=self.agency.dispatcher)

    def advance(self, job: jobs.Assignment, status: str, by: Metadata | None = None) -> Any:
        request = jobs.AdvanceTripRequest(
            assignment_id=job.id,
            status=words.JobStatus.Value(f"JOB_STATUS_{status}"),
            **self.agency.own,
        )
        return self.silo.jobs.AdvanceTrip(request, metadata=by or self.agency.dispatcher)

    def drop(self, job: jobs.Assignment) -> Any:
        request = jobs.DropTripRequest(
            assignment_id=job.id, reason=jobs.DROP_REASON_UNIT_BREAKDOWN, **self.agency.own
        )
        return self.silo.jobs.DropTrip(request, metadata=self.agency.dispatcher)

    def unit_status(self, unit_id: str) -> str:
        [(status,)] = self.silo.sql("SELECT current_status FROM unit WHERE id = %s", unit_id)
        return str(status)


async def run(silo: EmsSilo) -> Run:
    """Make an agency with one unit of level ALS, and a trip that is not yet on offer."""
    agency = await silo.agency()
    await agency.add_unit()
    return Run(agency)
