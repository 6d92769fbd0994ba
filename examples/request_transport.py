"""Asks for a transport as a hospital's own system does: unary calls, in a thread that may wait.

It is asked for twice with one request id and made once; changed by whom has read it last, which an
etag tells; and cancelled. Refusals are told apart by their reasons.

    MEDPORT_PASSWORD=... python -m examples.request_transport --email case.manager.1@upmc.example
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from threading import Event
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from medport.common.v1 import vocabulary_pb2 as words
from medport.hospital.v1 import facilities_pb2 as facilities
from medport.hospital.v1 import sessions_pb2 as sessions
from medport.hospital.v1 import transport_requests_pb2 as trips
from medport.hospital.v1.facilities_pb2_grpc import FacilityServiceStub
from medport.hospital.v1.sessions_pb2_grpc import SessionServiceStub
from medport.hospital.v1.transport_requests_pb2_grpc import TransportRequestServiceStub

from examples.refusals import reason_of
from examples.streams import pause

CALL_SECONDS, ATTEMPTS = 10, 10
# What became of the call is not known: it is asked again, with the same request id.
PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


class Desk:
    """One user, logged in for as long as the five minutes of the token."""

    _metadata: tuple[tuple[str, str], ...] = ()

    def __init__(self, channel: grpc.Channel, email: str, password: str) -> None:
        self._facilities = FacilityServiceStub(channel)
        self._trips = TransportRequestServiceStub(channel)
        login = sessions.CreateSessionRequest(email=email, password=password)
        made = self._ask(SessionServiceStub(channel).CreateSession, login)
        self._metadata = (("authorization", f"Bearer {made.access_token}"),)
        self.hospital_id: str = made.session.hospital_id

    def wanted(self) -> trips.CreateTransportRequestRequest:
        """Make the request once: only a repeat of the very same is the same transport."""
        return trips.CreateTransportRequestRequest(
            hospital_id=self.hospital_id,
            request_id=str(uuid.uuid4()),
            transport_request=self._transport(),
        )

    def create(self, request: trips.CreateTransportRequestRequest) -> trips.TransportRequest:
        """Ask for the transport; the same request id is the same transport, however often."""
        answer: trips.CreateTransportRequestResponse = self._ask(
            self._trips.CreateTransportRequest, request
        )
        return answer.transport_request

    def hurry(self, trip: trips.TransportRequest) -> trips.TransportRequest:
        """Raise the priority of a trip as it was read; raises for one that changed since."""
        request = trips.UpdateTransportRequestRequest(
            hospital_id=self.hospital_id,
            transport_request_id=trip.id,
            transport_request=trips.TransportRequest(priority=words.PRIORITY_URGENT),
            update_mask=FieldMask(paths=["priority"]),
            etag=trip.etag,
            request_id=str(uuid.uuid4()),
        )
        answer: trips.UpdateTransportRequestResponse = self._ask(
            self._trips.UpdateTransportRequest, request
        )
        return answer.transport_request

    def read(self, id: str) -> trips.TransportRequest:
        request = trips.GetTransportRequestRequest(
            hospital_id=self.hospital_id, transport_request_id=id
        )
        answer: trips.GetTransportRequestResponse = self._ask(
            self._trips.GetTransportRequest, request
        )
        return answer.transport_request

    def cancel(self, trip: trips.TransportRequest) -> trips.TransportRequest:
        request = trips.CancelTransportRequestRequest(
            hospital_id=self.hospital_id,
            transport_request_id=trip.id,
            reason=words.CANCELLATION_REASON_NO_LONGER_NEEDED,
            etag=trip.etag,
            request_id=str(uuid.uuid4()),
        )
        answer: trips.CancelTransportRequestResponse = self._ask(
            self._trips.CancelTransportRequest, request
        )
        return answer.transport_request

    def _transport(self) -> trips.TransportRequest:
        origin, destination = self._two_facilities()
        now = int(time.time())
        return trips.TransportRequest(
            patient_id="MRN-EXAMPLE",
            origin_facility_id=origin,
            destination_facility_id=destination,
            transport_level=words.TRANSPORT_LEVEL_ALS,
            priority=words.PRIORITY_HIGH,
            required_capabilities=[words.CAPABILITY_CARDIAC_MONITOR],
            age_band=words.AGE_BAND_ADULT,
            weight_band=words.WEIGHT_BAND_UNDER_300_LB,
            ready_time=Timestamp(seconds=now),
            latest_pickup_time=Timestamp(seconds=now + 7200),
        )

    def _two_facilities(self) -> list[str]:
        request = facilities.ListFacilitiesRequest(hospital_id=self.hospital_id, page_size=2)
        answer = self._ask(self._facilities.ListFacilities, request)
        return [each.id for each in answer.facilities]

    def _ask(self, call: Any, request: Any) -> Any:
        """Ask until somebody answers, a little later each time."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call(request, metadata=self._metadata, timeout=CALL_SECONDS)
            except grpc.RpcError as refused:
                if refused.code() not in PASSING or attempt == ATTEMPTS:
                    raise
                Event().wait(pause(attempt))
        raise AssertionError  # the last attempt returns or raises


def show(desk: Desk) -> None:
    """Ask, ask again, change, meet a stale etag, cancel."""
    wanted = desk.wanted()
    trip = desk.create(wanted)
    print(f"{trip.trip_number} asked for")
    if desk.create(wanted).id == trip.id:
        print(f"{trip.trip_number} asked for again: the same")
    desk.hurry(trip)
    try:
        desk.hurry(trip)
    except grpc.RpcError as refused:
        if reason_of(refused) != "ETAG_MISMATCH":
            raise
        trip = desk.read(trip.id)
        print(f"{trip.trip_number} changed since it was read: read again")
    trip = desk.cancel(trip)
    print(f"{trip.trip_number} {words.TripStatus.Name(trip.status)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--router", default="localhost:50050")
    parser.add_argument("--email", required=True)
    given = parser.parse_args()
    try:
        with grpc.insecure_channel(given.router) as channel:
            show(Desk(channel, given.email, os.environ.get("MEDPORT_PASSWORD", "")))
    except grpc.RpcError as refused:
        sys.exit(f"{reason_of(refused)}: {refused.details()}")


if __name__ == "__main__":
    main()
