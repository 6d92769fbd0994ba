"""What the hospital and the center would announce: builders of their events, for EMS to hear."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from medport.center.events.v1 import services_pb2
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.events.v1 import facilities_pb2
from medport.hospital.events.v1 import transport_requests_pb2 as pb

from chassis.clock import timestamp, utc_now

PLACES = {"origin": (40.514, -78.401), "destination": (40.443, -79.961)}


def an_agency(name: str = "Swift") -> services_pb2.ServiceRegistered:
    now = utc_now()
    return services_pb2.ServiceRegistered(
        service_id=str(uuid4()),
        service_type=words.SERVICE_TYPE_EMS_AGENCY,
        external_id=str(uuid4()),
        service_name=name,
        contact_email=f"admin-{uuid4().hex[:8]}@swift.example",
        added_by=str(uuid4()),
        add_time=timestamp(now),
        invitation_hash=bytes(32),
        invitation_expire_time=timestamp(now + timedelta(days=7)),
        registry_version=1,
        agency=services_pb2.AgencyProfile(
            phone="555-0100",
            address="1 Road",
            city="Altoona",
            state="PA",
            zip_code="16601",
            location={"latitude": 40.514, "longitude": -78.401},
        ),
    )


@dataclass
class Trip:
    """One trip of one hospital; each piece of news has the next version."""

    hospital_id: str = field(default_factory=lambda: str(uuid4()))
    id: str = field(default_factory=lambda: str(uuid4()))
    origin: str = field(default_factory=lambda: str(uuid4()))
    destination: str = field(default_factory=lambda: str(uuid4()))
    version: int = 0
    material_version: int = 1
    agency_id: str = ""
    award_token: str = ""

    def ref(self) -> pb.TripRef:
        self.version += 1
        return pb.TripRef(
            hospital_id=self.hospital_id,
            transport_request_id=self.id,
            trip_version=self.version,
            material_version=self.material_version,
        )

    def facilities(self) -> list[facilities_pb2.FacilityChanged]:
        ids = {"origin": self.origin, "destination": self.destination}
        return [
            facilities_pb2.FacilityChanged(
                facility=facilities_pb2.Facility(
                    facility_id=ids[end],
                    hospital_id=self.hospital_id,
                    hospital_name="Mercy",
                    name=f"Mercy {end}",
                    type=words.FACILITY_TYPE_ACUTE_CARE,
                    address="2 Road",
                    city="Altoona",
                    state="PA",
                    zip_code="16601",
                    location={"latitude": latitude, "longitude": longitude},
                    is_active=True,
                    facility_version=1,
                )
            )
            for end, (latitude, longitude) in PLACES.items()
        ]

    def need(self, **changes: Any) -> pb.TripNeed:
        known: dict[str, Any] = {
            "transport_level": words.TRANSPORT_LEVEL_ALS,
            "priority": words.PRIORITY_HIGH,
            "required_capabilities": [words.CAPABILITY_OXYGEN],
            "age_band": words.AGE_BAND_ADULT,
            "weight_band": words.WEIGHT_BAND_UNDER_300_LB,
            "origin_facility_id": self.origin,
            "destination_facility_id": self.destination,
            "ready_time": timestamp(utc_now()),
            "latest_pickup_time": timestamp(utc_now() + timedelta(hours=3)),
        }
        return pb.TripNeed(**(known | changes))

    def created(
        self, need: pb.TripNeed | None = None, **changes: Any
    ) -> pb.TransportRequestCreated:
        now = utc_now()
        known: dict[str, Any] = {
            "trip": self.ref(),
            "trip_number": f"T-{self.id[:8]}",
            "need": need or self.need(),
            "leg": words.TRIP_LEG_OUTBOUND,
            "offer_mode": words.OFFER_MODE_BROADCAST,
            "broadcast_time": timestamp(now - timedelta(seconds=1)),
            "offer_expire_time": timestamp(now + timedelta(minutes=30)),
            "request_time": timestamp(now),
        }
        return pb.TransportRequestCreated(**(known | changes))

    def updated(self, **changes: Any) -> pb.TransportRequestUpdated:
        """Change the trip's needs: a material change."""
        self.material_version += 1
        return pb.TransportRequestUpdated(
            trip=self.ref(),
            need=self.need(**changes),
            offer_expire_time=timestamp(utc_now() + timedelta(minutes=20)),
        )

    def awarded(
        self, bid_id: str, agency_id: object, seconds: float = 120
    ) -> pb.TransportRequestAwarded:
        self.agency_id, self.award_token = str(agency_id), str(uuid4())
        return pb.TransportRequestAwarded(
            trip=self.ref(),
            award_token=self.award_token,
            bid_id=bid_id,
            agency_id=self.agency_id,
            confirm_deadline_time=timestamp(utc_now() + timedelta(seconds=seconds)),
        )

    def revoked(self) -> pb.AwardRevoked:
        return pb.AwardRevoked(
            trip=self.ref(),
            award_token=self.award_token,
            reason=pb.AWARD_REVOKE_REASON_BY_HOSPITAL,
            agency_id=self.agency_id,
        )

    def reopened(self) -> pb.TransportRequestReopened:
        now = utc_now()
        return pb.TransportRequestReopened(
            trip=self.ref(),
            broadcast_time=timestamp(now - timedelta(seconds=1)),
            offer_expire_time=timestamp(now + timedelta(minutes=30)),
            reason=pb.REOPEN_REASON_TRIP_DROPPED,
        )

    def cancellation(self) -> pb.CancellationRequested:
        return pb.CancellationRequested(
            trip=self.ref(),
            award_token=self.award_token,
            cancel_token=str(uuid4()),
            intent=words.CANCELLATION_INTENT_CANCEL,
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            agency_id=self.agency_id,
        )

    def cancelled(self) -> pb.TransportRequestCancelled:
        return pb.TransportRequestCancelled(
            trip=self.ref(),
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            cancel_time=timestamp(utc_now()),
        )

    def expired(self) -> pb.TransportRequestExpired:
        return pb.TransportRequestExpired(trip=self.ref(), expire_time=timestamp(utc_now()))
