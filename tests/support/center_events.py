"""Another silo's events, as the center receives them: builders, and a log that is replayed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.message import Message
from medport.center.events.v1.event_log_pb2 import CenterEvent
from medport.common.v1 import vocabulary_pb2 as words
from medport.common.v1.event_log_pb2 import EventMetadata, EventPlacement
from medport.ems.events.v1 import assignments_pb2 as jobs
from medport.ems.events.v1 import transport_bids_pb2 as bids
from medport.ems.events.v1.trips_pb2 import TripRef as EmsTripRef
from medport.ems.events.v1.units_pb2 import UnitStatusChanged
from medport.hospital.events.v1 import transport_requests_pb2 as trips

from center_svc.server import followings
from center_svc.timers.sla_timers import SlaSweep
from chassis.clock import timestamp
from chassis.outbox import Envelope
from chassis.pool import pool
from chassis.projection import Received
from chassis.unit_of_work import Database

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROJECTS = {
    each.source: each.projects for each in followings(SlaSweep()) if each.consumer == "center"
}


@dataclass(frozen=True)
class Sent:
    """One event of a source; ``position`` is its place in that source's log."""

    source: str
    payload: Message
    version: int
    position: int
    at: datetime

    def received(self) -> Received:
        metadata = EventMetadata(
            id=str(uuid4()), subject_version=self.version, time=timestamp(self.at)
        )
        return Received(self.payload, metadata, EventPlacement(position=self.position))


async def apply(database: Database, events: Sequence[Sent]) -> None:
    """Give events their effect, each in a transaction of its own."""
    for event in events:
        async with database.begin(None) as uow:
            for project in PROJECTS[event.source]:
                await project(uow, event.received())


@asynccontextmanager
async def database_on(dsn: str) -> AsyncIterator[Database]:
    async with pool(dsn) as connections:
        await connections.wait()
        envelope = Envelope(CenterEvent, "/medport/center")
        yield Database(connections, envelope, tenant_column=None)


@dataclass
class Story:
    """A trip told by two silos: what was sent, minutes after noon, in the order of its telling."""

    hospital_id: UUID = field(default_factory=uuid4)
    agency_id: UUID = field(default_factory=uuid4)
    trip_id: UUID = field(default_factory=uuid4)
    bid_id: UUID = field(default_factory=uuid4)
    award_token: UUID = field(default_factory=uuid4)
    began: datetime = NOON
    first_position: int = 1
    sent: list[Sent] = field(default_factory=list)
    _version: int = 0
    _positions: int = 0

    def hospital(self, minute: float, payload: Any) -> None:
        """Let the hospital announce; every event of the trip has the next version."""
        self._version += 1
        payload.trip.MergeFrom(
            trips.TripRef(
                hospital_id=str(self.hospital_id),
                transport_request_id=str(self.trip_id),
                trip_version=self._version,
            )
        )
        self._send("hospital", minute, payload, self._version)

    def ems(self, minute: float, payload: Message) -> None:
        self._send("ems", minute, payload, 1)

    def _send(self, source: str, minute: float, payload: Message, version: int) -> None:
        position = self.first_position + self._positions
        self._positions += 1
        self.sent.append(Sent(source, payload, version, position, self.at(minute)))

    def at(self, minute: float) -> datetime:
        return self.began + timedelta(minutes=minute)

    @property
    def trip(self) -> EmsTripRef:
        return EmsTripRef(hospital_id=str(self.hospital_id), transport_request_id=str(self.trip_id))

    @property
    def job(self) -> jobs.JobRef:
        return jobs.JobRef(
            trip=self.trip,
            agency_id=str(self.agency_id),
            assignment_id=str(uuid4()),
            award_token=str(self.award_token),
        )

    def requested(self) -> None:
        need = trips.TripNeed(
            transport_level=words.TRANSPORT_LEVEL_ALS,
            priority=words.PRIORITY_HIGH,
            origin_facility_id=str(uuid4()),
            destination_facility_id=str(uuid4()),
            latest_pickup_time=timestamp(self.at(120)),
        )
        created = trips.TransportRequestCreated(
            need=need,
            request_time=timestamp(self.began),
            offer_expire_time=timestamp(self.at(30)),
        )
        self.hospital(0, created)

    def bid(self, minute: float, units: int = 600) -> None:
        terms = bids.BidTerms(
            bid_id=str(self.bid_id),
            bid_version=1,
            status=words.BID_STATUS_PENDING,
            submit_time=timestamp(self.at(minute)),
        )
        terms.bid_amount.currency_code, terms.bid_amount.units = "USD", units
        self.ems(
            minute,
            bids.BidSubmitted(trip=self.trip, agency_id=str(self.agency_id), bid=terms),
        )

    def awarded(self, minute: float) -> None:
        self.award_token = uuid4()
        award = trips.TransportRequestAwarded(
            bid_id=str(self.bid_id),
            agency_id=str(self.agency_id),
            award_token=str(self.award_token),
        )
        self.hospital(minute, award)

    def confirmed(self, minute: float) -> None:
        confirmed = jobs.AwardConfirmed(
            job=self.job,
            bid_id=str(self.bid_id),
            bid_version=2,
            accept_time=timestamp(self.at(minute)),
        )
        self.ems(minute, confirmed)
        self.progressed(minute, words.TRIP_STATUS_ACCEPTED)

    def progressed(self, minute: float, status: words.TripStatus.ValueType) -> None:
        moved = trips.TransportRequestProgressed(
            status=status,
            occur_time=timestamp(self.at(minute)),
            agency_id=str(self.agency_id),
        )
        self.hospital(minute, moved)

    def completed(self, minute: float) -> None:
        """Drive 10 miles empty and 30 with the patient, and hand over."""
        driven = jobs.TripAdvanced(
            job=self.job,
            status=words.JOB_STATUS_COMPLETED,
            occur_time=timestamp(self.at(minute)),
            loaded_miles=30.0,
            deadhead_miles=10.0,
        )
        self.ems(minute, driven)
        times = trips.TripTimes(
            accept_time=timestamp(self.at(8)),
            pickup_time=timestamp(self.at(minute / 2)),
            complete_time=timestamp(self.at(minute)),
        )
        done = trips.TransportRequestCompleted(agency_id=str(self.agency_id), times=times)
        self.hospital(minute, done)

    def updated(self, minute: float, latest_pickup: float) -> None:
        """Change the latest pickup, and with it the end of the offer."""
        need = trips.TripNeed(
            transport_level=words.TRANSPORT_LEVEL_ALS,
            priority=words.PRIORITY_HIGH,
            origin_facility_id=str(uuid4()),
            destination_facility_id=str(uuid4()),
            latest_pickup_time=timestamp(self.at(latest_pickup)),
        )
        until = timestamp(self.at(min(latest_pickup, 30)))
        self.hospital(minute, trips.TransportRequestUpdated(need=need, offer_expire_time=until))

    def reopened(self, minute: float) -> None:
        until = timestamp(self.at(minute + 30))
        self.hospital(minute, trips.TransportRequestReopened(offer_expire_time=until))

    def dropped(self, minute: float) -> None:
        self.ems(minute, jobs.TripDropped(job=self.job, reason="BREAKDOWN"))
        self.reopened(minute)

    def cancelled(self, minute: float) -> None:
        called_off = trips.TransportRequestCancelled(
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            cancel_time=timestamp(self.at(minute)),
        )
        self.hospital(minute, called_off)


def a_completed_trip(**known: Any) -> Story:
    """Tell of a trip with a bid after 4 minutes, awarded after 6, done after 60 for 600 USD."""
    story = Story(**known)
    story.requested()
    story.bid(4)
    story.awarded(6)
    story.confirmed(8)
    story.progressed(20, words.TRIP_STATUS_EN_ROUTE)
    story.completed(60)
    return story


def a_dropped_and_cancelled_trip(**known: Any) -> Story:
    story = Story(**known)
    story.requested()
    story.bid(2)
    story.awarded(3)
    story.confirmed(4)
    story.dropped(10)
    story.cancelled(12)
    return story


def a_trip_carried_by_the_second_agency(**known: Any) -> Story:
    """Tell of a trip whose first agency bids in time, is chosen late, and drops it at the door."""
    story = Story(**known)
    story.requested()
    story.bid(14)
    story.awarded(16)
    story.confirmed(16.5)
    story.progressed(18, words.TRIP_STATUS_EN_ROUTE)
    story.progressed(19, words.TRIP_STATUS_AT_PICKUP)
    story.dropped(20)
    story.agency_id, story.bid_id = uuid4(), uuid4()
    story.bid(30)
    story.awarded(31)
    story.confirmed(31.5)
    story.progressed(38, words.TRIP_STATUS_EN_ROUTE)
    story.completed(90)
    return story


def turned(
    position: int,
    agency_id: UUID,
    unit_id: str,
    minute: float,
    status: words.UnitStatus.ValueType,
    *,
    is_retired: bool = False,
) -> Sent:
    """Tell what a unit does from a minute after noon on."""
    at = NOON + timedelta(minutes=minute)
    changed = UnitStatusChanged(
        agency_id=str(agency_id),
        unit_id=unit_id,
        status=status,
        change_time=timestamp(at),
        is_retired=is_retired,
    )
    return Sent("ems", changed, position, position, at)
