"""A hospital with facilities, trips and bids: what tests of a trip begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.message import Message
from medport.common.v1 import vocabulary_pb2 as words
from medport.ems.events.v1 import agencies_pb2, assignments_pb2, transport_bids_pb2, trips_pb2
from medport.hospital.v1 import facilities_pb2
from medport.hospital.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp, utc_now
from tests.support.hospital_silo import HospitalSilo, Metadata, soon

PHI = ("patient-7341", "mind-the-tube", "bed-9-east", "ward-3-west", "said-the-family")


def a_facility(**changes: Any) -> facilities_pb2.HospitalFacility:
    known: dict[str, Any] = {
        "name": f"Facility {uuid4().hex[:8]}",
        "type": words.FACILITY_TYPE_ACUTE_CARE,
        "address": "1 Main St",
        "city": "Altoona",
        "state": "PA",
        "zip_code": "16601",
        "location": {"latitude": 40.514, "longitude": -78.401},
    }
    return facilities_pb2.HospitalFacility(**(known | changes))


@dataclass
class Ward:
    """One hospital's staff, two facilities, and an agency that bids."""

    silo: HospitalSilo
    staff: Metadata
    admin: Metadata
    origin: str = ""
    destination: str = ""
    agency_id: UUID = field(default_factory=uuid4)

    @property
    def hospital_id(self) -> str:
        return str(self.silo.hospital_id)

    async def add_facility(self, **changes: Any) -> facilities_pb2.HospitalFacility:
        request = facilities_pb2.CreateFacilityRequest(
            hospital_id=self.hospital_id, facility=a_facility(**changes), request_id=str(uuid4())
        )
        answer = await self.silo.facilities.CreateFacility(request, metadata=self.admin)
        return answer.facility

    def trip(self, **changes: Any) -> pb.TransportRequest:
        known: dict[str, Any] = {
            "patient_id": f"{PHI[0]}-{uuid4().hex[:8]}",
            "special_requirements": PHI[1],
            "origin_detail": PHI[2],
            "destination_detail": PHI[3],
            "origin_facility_id": self.origin,
            "destination_facility_id": self.destination,
            "transport_level": words.TRANSPORT_LEVEL_ALS,
            "priority": words.PRIORITY_HIGH,
            "age_band": words.AGE_BAND_ADULT,
            "weight_band": words.WEIGHT_BAND_UNDER_300_LB,
            "ready_time": timestamp(soon(minutes=5)),
            "latest_pickup_time": timestamp(soon(hours=3)),
        }
        return pb.TransportRequest(**(known | changes))

    def creation(self, **changes: Any) -> pb.CreateTransportRequestRequest:
        return pb.CreateTransportRequestRequest(
            hospital_id=self.hospital_id,
            transport_request=self.trip(**changes),
            request_id=str(uuid4()),
        )

    async def create(self, **changes: Any) -> pb.TransportRequest:
        answer = await self.silo.trips.CreateTransportRequest(
            self.creation(**changes), metadata=self.staff
        )
        return answer.transport_request

    async def get(self, trip_id: str) -> pb.TransportRequest:
        request = pb.GetTransportRequestRequest(
            hospital_id=self.hospital_id, transport_request_id=trip_id
        )
        answer = await self.silo.trips.GetTransportRequest(request, metadata=self.staff)
        return answer.transport_request

    async def bid(self, trip: pb.TransportRequest, **changes: Any) -> str:
        """Let an agency bid; return the bid's id."""
        bid_id = str(uuid4())
        known: dict[str, Any] = {
            "bid_id": bid_id,
            "bid_version": 1,
            "bid_amount": {"currency_code": "USD", "units": 450, "nanos": 500_000_000},
            "estimated_pickup_time": timestamp(soon(minutes=30)),
            "unit_level": words.TRANSPORT_LEVEL_ALS,
            "status": words.BID_STATUS_PENDING,
            "expire_time": timestamp(soon(minutes=60)),
            "submit_time": timestamp(utc_now()),
        }
        agency_id = changes.pop("agency_id", self.agency_id)
        submitted = transport_bids_pb2.BidSubmitted(
            trip=self.ref(trip),
            agency_id=str(agency_id),
            bid=transport_bids_pb2.BidTerms(**(known | changes)),
        )
        await self.silo.hear(an_agency(agency_id), submitted)
        return bid_id

    def ref(self, trip: pb.TransportRequest) -> trips_pb2.TripRef:
        return trips_pb2.TripRef(
            hospital_id=trip.hospital_id,
            transport_request_id=trip.id,
            trip_version=int(trip.etag),
            material_version=trip.material_version,
        )

    def award(self, trip: pb.TransportRequest, bid_id: str) -> pb.AwardTransportRequestRequest:
        return pb.AwardTransportRequestRequest(
            hospital_id=self.hospital_id,
            transport_request_id=trip.id,
            bid_id=bid_id,
            etag=trip.etag,
            request_id=str(uuid4()),
        )

    async def awarded(self, **changes: Any) -> pb.TransportRequest:
        """Return a trip with an award that EMS has yet to answer."""
        trip = await self.create(**changes)
        request = self.award(trip, await self.bid(trip))
        answer = await self.silo.trips.AwardTransportRequest(request, metadata=self.staff)
        return answer.transport_request

    def job(self, trip: pb.TransportRequest) -> assignments_pb2.JobRef:
        return assignments_pb2.JobRef(
            trip=self.ref(trip),
            agency_id=trip.assigned_agency_id,
            assignment_id=str(uuid4()),
            award_token=trip.award_id,
        )

    def confirmation(self, trip: pb.TransportRequest) -> Message:
        ((bid_id,),) = self.silo.sql("SELECT bid_id FROM award WHERE id = %s", trip.award_id)
        return assignments_pb2.AwardConfirmed(
            job=self.job(trip),
            bid_id=str(bid_id),
            bid_version=2,
            accept_time=timestamp(utc_now()),
        )

    async def accepted(self, **changes: Any) -> pb.TransportRequest:
        trip = await self.awarded(**changes)
        await self.silo.hear(self.confirmation(trip))
        return await self.get(trip.id)

    def advance(self, trip: pb.TransportRequest, status: words.JobStatus.ValueType) -> Message:
        return assignments_pb2.TripAdvanced(
            job=self.job(trip),
            status=status,
            occur_time=timestamp(utc_now()),
            unit_id=str(uuid4()),
            unit_number="M12",
        )

    def cancellation(
        self, trip: pb.TransportRequest, **changes: Any
    ) -> pb.CancelTransportRequestRequest:
        return pb.CancelTransportRequestRequest(
            hospital_id=self.hospital_id,
            transport_request_id=trip.id,
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            note=PHI[4],
            request_id=str(uuid4()),
            **changes,
        )

    def history(self, trip_id: str) -> list[str]:
        query = """
        SELECT status FROM trip_history WHERE transport_request_id = %s ORDER BY sequence
        """
        return [str(row[0]) for row in self.silo.sql(query, trip_id)]


def an_agency(agency_id: UUID, **changes: Any) -> Message:
    known: dict[str, Any] = {
        "agency_id": str(agency_id),
        "name": f"Agency {agency_id.hex[:6]}",
        "registry_status": words.REGISTRY_STATUS_ACTIVE,
        "agency_version": 1,
        "levels": [words.TRANSPORT_LEVEL_ALS],
    }
    return agencies_pb2.AgencyUpdated(**(known | changes))


async def ward(silo: HospitalSilo) -> Ward:
    """Open a ward: users logged in, two facilities made."""
    opened = Ward(silo, await silo.login(), await silo.login("ADMIN"))
    opened.origin = (await opened.add_facility()).id
    opened.destination = (await opened.add_facility()).id
    return opened
