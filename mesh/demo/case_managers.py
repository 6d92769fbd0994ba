"""Case managers of one hospital: they ask for transfers, weigh bids, award and call off."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import received_bids_pb2 as bids
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.received_bids_pb2_grpc import ReceivedBidServiceStub
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from mesh.demo.callers import Caller, request_id
from mesh.demo.cast import HospitalPart
from mesh.demo.dataset import Trip
from mesh.demo.script import Scene
from mesh.demo.stage import Stage

_LOOK_AGAIN = 0.4
_LOST_RACE = ("NOT_PENDING", "BID_NOT_LIVE", "AGENCY_NOT_ACTIVE", "ETAG_MISMATCH")
_TOO_LATE = ("PATIENT_ABOARD", "TRIP_ENDED", "CANCELLATION_OUTSTANDING", "ETAG_MISMATCH")
_ENDED = (words.TRIP_STATUS_COMPLETED, words.TRIP_STATUS_CANCELLED, words.TRIP_STATUS_EXPIRED)
_LIVE = tuple(status for status in words.TripStatus.values() if status not in (0, *_ENDED))


class CaseManagers:
    """The people of one hospital; ``places`` finds any facility's id by its key."""

    def __init__(
        self, stage: Stage, part: HospitalPart, callers: list[Caller], places: dict[str, str]
    ) -> None:
        self._stage, self._part, self._places = stage, part, places
        self._script, self._tally = stage.script, stage.tally
        self._callers, self._first = callers, callers[0]
        self._trips = TransportRequestServiceStub(stage.channel)
        self._bids = ReceivedBidServiceStub(stage.channel)
        self._began = _timestamp(datetime.now(UTC) - timedelta(minutes=1))  # clocks may differ
        self._asked: dict[str, float] = {}
        self._weigh_at: dict[str, float] = {}
        self._live: set[str] = set()
        self._awarded: set[str] = set()
        self._cancelling: set[str] = set()

    @property
    def live(self) -> int:
        """How many of their trips have not ended."""
        return len(self._live)

    async def ask_for(self, trip: Trip, day: str) -> None:
        """Ask for one transfer, the way the script wants it to go."""
        scene = self._script.scene(trip.key)
        wanted = self._request(trip, day, scene)
        request = trips.CreateTransportRequestRequest(
            hospital_id=self._part.id, transport_request=wanted, request_id=request_id()
        )
        created = await self._first.demand(self._trips.CreateTransportRequest, request)
        id = created.transport_request.id
        self._script.cast(id, scene)
        self._asked[id] = time.monotonic()
        self._live.add(id)
        self._tally.seen["requested"] += 1

    async def work(self) -> None:
        """Look after open trips, for as long as the day lasts."""
        while True:
            await self._stage.play(self._look_after())
            await asyncio.sleep(_LOOK_AGAIN)

    async def _look_after(self) -> None:
        live = await self._look()
        await asyncio.gather(*(self._stage.play(self._decide(trip)) for trip in live))

    async def _decide(self, trip: trips.TransportRequest) -> None:
        if trip.status == words.TRIP_STATUS_PENDING and self._is_due(trip.id):
            await self._weigh(trip)
        await self._perhaps_cancel(trip)

    def _is_due(self, id: str) -> bool:
        """Look at bids less and less often: a mesh that is behind is not helped by questions."""
        now = time.monotonic()
        if now < self._weigh_at.get(id, 0.0):
            return False
        self._weigh_at[id] = now + (now - self._asked[id]) / 4
        return True

    async def _look(self) -> list[trips.TransportRequest]:
        """Read the trips they look after and return those that are live."""
        known = set(self._live)
        if not known:
            return []
        found = await self._list(_LIVE)
        if known - {trip.id for trip in found}:
            found += await self._list(_ENDED)
        ours = [trip for trip in found if trip.id in self._live]
        for trip in ours:
            if trip.HasField("award_time") and trip.id not in self._awarded:
                self._note_award(trip)
            if trip.status in _ENDED and trip.id in self._live:
                self._live.discard(trip.id)
                self._tally.seen[words.TripStatus.Name(trip.status)[12:].lower()] += 1
        return [trip for trip in ours if trip.id in self._live]

    async def _list(
        self, statuses: tuple[words.TripStatus.ValueType, ...]
    ) -> list[trips.TransportRequest]:
        request = trips.ListTransportRequestsRequest(
            hospital_id=self._part.id,
            filter=trips.TransportRequestFilter(
                request_time=Interval(start_time=self._began), statuses=statuses
            ),
            page_size=1000,
        )
        answer = await self._first.demand(self._trips.ListTransportRequests, request)
        return list(answer.transport_requests)

    def _note_award(self, trip: trips.TransportRequest) -> None:
        self._awarded.add(trip.id)
        self._tally.seen["awarded"] += 1
        wait = trip.award_time.ToDatetime() - trip.request_time.ToDatetime()
        self._tally.seconds_to_award.append(wait.total_seconds())

    async def _weigh(self, trip: trips.TransportRequest) -> None:
        """Award the cheapest bid, once there are two or patience ends."""
        request = bids.ListReceivedBidsRequest(
            hospital_id=self._part.id,
            transport_request_id=trip.id,
            statuses=[words.BID_STATUS_PENDING],
        )
        answer = await self._first.demand(self._bids.ListReceivedBids, request)
        live = [bid for bid in answer.bids if bid.is_awardable]
        patient = time.monotonic() - self._asked[trip.id] < self._script.patience
        if not live or (len(live) < 2 and patient):  # noqa: PLR2004 - a choice needs two
            return
        best = min(live, key=lambda bid: (bid.bid_amount.units, bid.bid_amount.nanos))
        rivals = self._callers if self._script.of(trip.id) is Scene.TWO_AWARD else self._callers[:1]
        await asyncio.gather(*(self._award(caller, trip, best) for caller in rivals))

    async def _award(
        self, caller: Caller, trip: trips.TransportRequest, bid: bids.ReceivedBid
    ) -> None:
        request = trips.AwardTransportRequestRequest(
            hospital_id=self._part.id,
            transport_request_id=trip.id,
            bid_id=bid.id,
            etag=trip.etag,
            request_id=request_id(),
        )
        await caller.ask(self._trips.AwardTransportRequest, request, *_LOST_RACE)

    async def _perhaps_cancel(self, trip: trips.TransportRequest) -> None:
        """Call a trip off in the state the script names for it."""
        at = self._script.cancelled_at(trip.id)
        if at is None or trip.status < at or trip.id in self._cancelling:
            return
        self._cancelling.add(trip.id)
        request = trips.CancelTransportRequestRequest(
            hospital_id=self._part.id,
            transport_request_id=trip.id,
            reason=random.choice(  # noqa: S311 - any of them will do
                (
                    words.CANCELLATION_REASON_NO_LONGER_NEEDED,
                    words.CANCELLATION_REASON_PATIENT_CONDITION_CHANGED,
                )
            ),
            request_id=request_id(),
        )
        await self._first.ask(self._trips.CancelTransportRequest, request, *_TOO_LATE)

    def _request(self, trip: Trip, day: str, scene: Scene) -> trips.TransportRequest:
        now = datetime.now(UTC)
        # A trip that nobody wants has to run out within the demonstration, not in an hour.
        window = timedelta(seconds=10) if scene is Scene.UNWANTED else timedelta(hours=6)
        return trips.TransportRequest(
            patient_id=f"{day}-{trip.key}",
            origin_facility_id=self._places[trip.origin],
            destination_facility_id=self._places[trip.destination],
            transport_level=words.TransportLevel.Value(f"TRANSPORT_LEVEL_{trip.level}"),
            priority=words.Priority.Value(f"PRIORITY_{trip.priority}"),
            required_capabilities=[
                words.Capability.Value(f"CAPABILITY_{each}") for each in trip.capabilities
            ],
            age_band=words.AgeBand.Value(f"AGE_BAND_{trip.age_band}"),
            weight_band=words.WeightBand.Value(f"WEIGHT_BAND_{trip.weight_band}"),
            ready_time=_timestamp(now),
            latest_pickup_time=_timestamp(now + window),
            offer_mode=words.OFFER_MODE_BROADCAST,
        )


def _timestamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
